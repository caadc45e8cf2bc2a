### What buyers read on the display. A title is large; its hint below shows what to do.
### The usual name of the wallet, О!плати, is never declined and stands by itself (`.hint`). Another one may be, so that it
### follows a word for the app, which the sentence declines instead (`.hint_app`).

idle = Добро пожаловать!
    .hint = Здесь можно оплатить через { $name }
    .hint_app = Здесь можно оплатить через приложение { $name }
scan_me = Покажите QR-код
    .hint = Откройте { $name } и поднесите код к сканеру
    .hint_app = Откройте приложение { $name } и поднесите код к сканеру
# On a line display also of a payment, whose code stands elsewhere: this does not say where.
qr_for_card = Отсканируйте QR-код
    .hint = и получите карту
qr = Отсканируйте QR-код для оплаты
    .hint = в приложении { $name }
code = Код подтверждения
    .hint = Введите его в приложении { $name }
please_confirm = Подтвердите оплату
    .hint = на своём телефоне
checking = Проверяем оплату
    .hint = не закрывайте приложение
paid = Оплачено
    .hint = Спасибо за покупку!
declined = Оплата отклонена
    .hint = Деньги не списаны
not_enough_money = Недостаточно средств
    .hint = Пополните кошелёк или выберите другой способ
time_is_up = Время истекло
    .hint = Оплата не проведена
cancelled = Оплата отменена
    .hint = Обратитесь к кассиру
refunded = Деньги возвращены
    .hint = на ваш кошелёк { $name }
card_found = Карта найдена
    .hint = Спасибо!
not_completed = Оплата не завершена
    .hint = Если деньги списаны, они вернутся
no_connection = Нет связи
    .hint = Оплата { $name } сейчас недоступна
    .hint_app = Оплата через приложение { $name } сейчас недоступна
# The word above an amount.
to_pay = К оплате
# No space in it breaks.
amount = { $roubles },{ $kopecks }{ "\u00A0" }руб.

## Line displays: two lines of twenty characters, so that no text may be longer, nor one above that they show, too, which
## tests check. Where the wallet has another name than the usual one, `.named` stands if it has room with the name, and
## else `.bare`.

line_pay_with = Оплата: О!плати
    .named = Оплата: { $name }
line_from_the_app = из О!плати сканеру
    .named = из приложения { $name }
    .bare = из приложения
line_code = Код О!плати
    .named = { $name }: код
    .bare = Код
line_enter_code = Введите в приложении
line_wait = Подождите
line_paid = ОПЛАЧЕНО
line_top_up = Пополните кошелёк
line_not_made = Оплата не проведена
line_ask_cashier = Обратитесь к кассиру
line_amount = Сумма
line_unit = руб
line_not_completed = Оплата не завершена
line_will_return = Списанное вернётся
line_no_connection = Нет связи с О!плати
    .bare = Нет связи
line_no_connection_named = Нет связи: { $name }
