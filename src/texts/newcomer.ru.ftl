### What a person reads who tries the program out: `oplati demo` on the terminal and in problems of its page, and samples of
### scenes. The page itself stands in demo.html and demo.js.

open_page =
    Откройте этот адрес в браузере. Ctrl-C закончит показ и не оставит следов.
    Open this address in a browser. Ctrl-C ends the demo and leaves nothing behind.

## The shop and what it sells

shop = Магазин «Ромашка»
cheese = Сыр
apples = Яблоки
flowers = Букет ромашек
mint = Мята

## Samples of scenes

sample_card = Моя карта

## --once: what is played

mode_0 = Режим 0: сканер читает QR-код покупателя
mode_1 = Режим 1: покупатель вводит код с дисплея
mode_2 = Режим 2: покупатель сканирует QR-код с дисплея
renewal = Режим 2: пока покупатель ищет телефон, сессия заканчивается
refund = Возврат части оплаты
cancellation = Отмена оплаты
# Before the lines of one operation.
heading = { $title }, { $amount } р.
seconds = { $seconds },{ $milliseconds } с
ledger = В книге сервиса: оплат { $count }, по одной на продажу, суммы и возвраты верны, все проведены.
well = Всё как надо · all as it should be · { $took }

## --once: what a person does

shows_qr = покупатель показывает QR-код, сканер читает его
types_code = покупатель вводит код с дисплея
scans_qr = покупатель сканирует QR-код с дисплея
confirms = покупатель подтверждает оплату
# Nobody does it.
qr_renewed = QR-код обновлён: прежняя сессия закончилась

## Problems of the page

only_itself = Эта страница отвечает только самой себе
too_many_pages = Открыто слишком много страниц
part_silent = Часть демонстрации не отвечает, подробности в журнале
bad_id = Недопустимый номер операции
not_scanned = Сканер не прочитал код
code_too_long = Код слишком длинный
wallet_without_code = Кошелёк не показал код
wallet_without_payment = Кошелёк не нашёл такой оплаты
nothing_to_confirm = Подтверждать уже нечего
network_not_switched = Связь не переключилась
sessions_not_changed = Срок сессий не изменился
