plain = Word
    .remedy = More { "{words}" }{ "\u00A0" }
several = { $name } is in the { "second" } line
attempts = Of { $limit }, { $count ->
        [one] one attempt
       *[other] { $count } attempts
    } left
# Without $name: nobody asks.
told = Told
