### The rules stand in buyer.ru.ftl.

idle = Вітаем вас!
    .hint = Тут можна аплаціць праз { $name }
    .hint_app = Тут можна аплаціць праз праграму { $name }
scan_me = Пакажыце QR-код
    .hint = Адкрыйце { $name } і паднясіце код да сканера
    .hint_app = Адкрыйце праграму { $name } і паднясіце код да сканера
qr_for_card = Адскануйце QR-код
    .hint = і атрымайце картку
qr = Адскануйце QR-код для аплаты
    .hint = у праграме { $name }
code = Код пацвярджэння
    .hint = Увядзіце яго ў праграме { $name }
please_confirm = Пацвердзіце аплату
    .hint = на сваім тэлефоне
checking = Правяраем аплату
    .hint = не закрывайце праграму
paid = Аплачана
    .hint = Дзякуй за пакупку!
declined = Аплата адхілена
    .hint = Грошы не спісаны
not_enough_money = Недастаткова сродкаў
    .hint = Папоўніце кашалёк або выберыце іншы спосаб
time_is_up = Час скончыўся
    .hint = Аплата не праведзена
cancelled = Аплата адменена
    .hint = Звярніцеся да касіра
refunded = Грошы вернуты
    .hint = на ваш кашалёк { $name }
card_found = Карта знойдзена
    .hint = Дзякуй!
not_completed = Аплата не завершана
    .hint = Калі грошы спісаны, яны вернуцца
no_connection = Няма сувязі
    .hint = Аплата { $name } зараз недаступная
    .hint_app = Аплата праз праграму { $name } зараз недаступная
to_pay = Да аплаты
amount = { $roubles },{ $kopecks }{ "\u00A0" }руб.

## Line displays

line_pay_with = Аплата: О!плати
    .named = Аплата: { $name }
line_from_the_app = з О!плати сканеру
    .named = з праграмы { $name }
    .bare = з праграмы
line_code = Код О!плати
    .named = { $name }: код
    .bare = Код
line_enter_code = Увядзіце ў праграме
line_wait = Пачакайце
line_paid = АПЛАЧАНА
line_top_up = Папоўніце кашалёк
line_not_made = Аплата не праведзена
line_ask_cashier = Звярніцеся да касіра
line_amount = Сума
line_unit = руб
line_not_completed = Аплата не завершана
line_will_return = Спісанае вернецца
line_no_connection = Няма сувязі
    .bare = Няма сувязі
# Without $name: it has no room.
line_no_connection_named = Няма сувязі
