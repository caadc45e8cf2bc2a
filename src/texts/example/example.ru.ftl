### All that is supported, for the tests.

plain = Слово
    .remedy = Ещё { "{слово}" }{ "\u00A0" }
several =
    Первая строка
    вторая { $name }
attempts = Ещё { $count ->
        [0] ни одной попытки
        [one] { $count } попытка
        [few] { $count } попытки
       *[many] { $count } попыток
    } из { $limit }
told = Сказано: { $name }
