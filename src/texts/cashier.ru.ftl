### What the cashier reads, on the till and in answers of the till API: Russian by contract. The messages of the original
### module stand in original.ru.ftl. A `.remedy` names one action that helps against what the text above it reports.

## Remedies of several texts

await_remedy = Дождитесь завершения
await_end_remedy = Дождитесь её завершения
check_operations_remedy = Проверьте список операций
repeat_in_a_minute_remedy = Повторите через минуту
open_window_remedy = Запустите в сеансе кассира: oplati display --window
check_cable_remedy = Проверьте кабель и путь в oplati.conf

## How an operation is getting on, and how it ended

asking_service = Обращение к серверу О!плати
awaiting_scan = Отсканируйте QR-код покупателя
awaiting_code = Сообщите покупателю код подтверждения
tell_code = Сообщите покупателю код подтверждения: { $code }
awaiting_confirmation = Ожидание подтверждения покупателем
in_doubt = Проверяем оплату
done = Оплата выполнена
declined = Покупатель отклонил оплату
not_enough_money = Недостаточно средств у покупателя
expired = Время ожидания оплаты истекло
cancelled = Оплата отменена
failed = Оплата не выполнена
# A code that is no buyer's was read while a sale was armed.
not_a_buyers_code = Это не код О!плати
# An existing payment is being reversed because the cashier aborted, or time was up.
cancelling = Отмена…
# The code was sent, but no answer came: it may be read again.
scan_again = Нет ответа сервера. Отсканируйте QR-код покупателя ещё раз
# The session ended before the buyer was found.
session_over = Время ожидания клиента истекло
    .remedy = Повторите операцию
# The same, and the buyer may show the code once more.
session_over_scan_again = Время ожидания клиента истекло. Отсканируйте QR-код покупателя ещё раз
# An abort that came too late.
paid_first = Оплата прошла раньше отмены
# No display can show the code of a sale.
qr_too_large = QR-код не помещается на дисплей покупателя
    .remedy = Подключите дисплей с большим разрешением или выберите другой режим

## Cards

card_qr = Отсканируйте QR-код для получения карты
card_done = Карта найдена
card_expired = Время ожидания покупателя истекло
card_cancelled = Получение карты отменено
card_failed = Карта не получена
# The buyer has no loyalty card in the wallet.
no_card = Карта не найдена

## Refunds

refund_running = Выполняется возврат
refund_done = Возврат выполнен
refund_failed = Возврат не выполнен
refund_denied = Возврат не выполнен: сервер О!плати отказал
    .remedy = Повторите возврат; если повторится, верните деньги другим способом
refund_not_enough = Возврат не выполнен: недостаточно средств у магазина
refund_not_sent_remedy = Проверьте связь с интернетом и повторите возврат
refund_absent_remedy = Проверьте возврат в личном кабинете О!плати; если его там нет, повторите его через час
refund_in_doubt_remedy = Не повторяйте возврат: программа сама узнаёт результат. Посмотреть: oplati operations
refund_needless = Возврат не выполнен: деньги уже возвращены покупателю
# A refund that was conclusively absent, and was made all the same.
refunded_late = Возврат выполнен позже, чем сообщено: деньги у покупателя
# A refund of which the service has carried out more than one copy.
refunded_twice = Возврат выполнен больше одного раза: у покупателя больше, чем надо
# A refund whose fate a person must find out.
refund_set_aside = Результат возврата неизвестен. Проверьте возврат в личном кабинете О!плати

## Cancellations

cancel_running = Выполняется отмена оплаты
cancel_done = Оплата отменена
cancel_failed = Отмена не выполнена
cancel_refund_running = Выполняется отмена возврата
cancel_refund_done = Возврат отменён
annul_running = Выполняется аннулирование чека
annul_done = Чек аннулирован
# A cancellation that was reported as not made, and was.
cancelled_late = Отмена выполнена позже, чем сообщено: деньги возвращены
# The same of a refund: what the buyer had been given back went to the shop again.
refund_cancelled_late = Отмена возврата выполнена позже, чем сообщено: деньги у магазина
# A second payment that a reconciliation shows under the number of a sale.
second_payment = По чеку прошла ещё одна оплата. Проверьте её в личном кабинете О!плати и верните
    .remedy = Если прошли обе оплаты, верните лишнюю: oplati queue retry. Если нет, закройте запись: oplati queue settle
# An undoing that found nothing to undo.
nothing_to_undo = Оплата не проводилась, отменять нечего
# An undoing that a person must look at.
set_aside = Сервер отказал в отмене. Проверьте оплату в личном кабинете О!плати
    .remedy = Проверьте оплату в личном кабинете О!плати, затем: oplati queue settle
    .sale_remedy = Отмените оплату в личном кабинете О!плати, затем: oplati queue settle
# An undoing whose reversal the service neither carries out nor ends.
not_finished = Сервер не завершает отмену. Проверьте оплату в личном кабинете О!плати
# What was set aside is asked for once more, and leaves at once.
repeats = Отмена принята и отправляется ещё раз
# An undoing whose place another one has taken.
repeated = Отмена начата заново

## What a person has closed

settled_refund_made = Возврат закрыт вручную: деньги у покупателя
settled_refund_not_made = Возврат закрыт вручную: деньги не возвращены
settled_cancel_refund_made = Отмена возврата закрыта вручную: деньги у магазина
settled_cancel_refund_not_made = Отмена возврата закрыта вручную: деньги остались у покупателя
settled_cancel_made = Отмена закрыта вручную: деньги у покупателя
settled_cancel_not_made = Отмена закрыта вручную: деньги не возвращены

## What stands in the way of an operation

no_connection_remedy = Проверьте связь с интернетом и повторите оплату
bad_certificate_remedy = Сертификат сервера не принят: проверьте дату и время кассы, затем oplati selftest
too_many_requests_remedy = Сервер О!плати просит подождать: повторите оплату через несколько минут
wrong_answer = Сервер О!плати ответил неверно
    .remedy = Проверьте, не требует ли роутер входа на своей странице, и повторите оплату; если повторится, обратитесь в поддержку О!плати
refused = Сервер О!плати отказал в операции
    .remedy = Выполните указание сервера или выберите другой вид оплаты
token_exists_remedy = Сбросьте токен в личном кабинете О!плати и повторите операцию
token_needed_remedy = Удалите файл token.conf, перезапустите программу и повторите операцию
# A 401 or 403 alone does not say that the token was reset.
token_refused_remedy = Повторите операцию; если повторится, проверьте кассу и токен в личном кабинете О!плати и, только если токен там сброшен, удалите token.conf
# token.conf cannot be read or written: the disk stands in the way.
no_place_for_token = Файл token.conf недоступен: токен не прочитать и не сохранить
    .remedy = Освободите место на диске кассы, проверьте права на папку token.conf и повторите операцию
# token.conf holds no token that can be read. The remedy does not destroy the only one.
token_damaged = Файл token.conf повреждён: токен в нём не прочитать
    .remedy = Не удаляйте token.conf: верните его из копии или оставьте в нём одну строку с токеном и повторите операцию
# The journal cannot be written: the outcome is unknown to the till.
check_in_account = Не удалось сохранить результат. Проверьте оплату в личном кабинете О!плати

## A report that did not come: no payment is to be repeated

report_no_connection_remedy = Проверьте связь с интернетом и повторите сверку
report_not_ready_remedy = Сервер О!плати не готов: повторите сверку через несколько минут
report_too_many_requests_remedy = Сервер О!плати просит подождать: повторите сверку через { $when }
report_too_many_requests_seconds = { $seconds } с
report_too_many_requests_minutes = несколько минут
report_wrong_answer_remedy = Проверьте, не требует ли роутер входа на своей странице, и повторите сверку; если повторится, обратитесь в поддержку О!плати
report_refused_remedy = Повторите сверку; если повторится, обратитесь в поддержку О!плати

## Problems of requests

already_undone = Операция { $operation } уже отменена или возвращена
    .by = Операция { $operation } уже отменена или возвращена: { $by }
unavailable_remedy = Проверьте связь с интернетом и повторите через несколько секунд
unavailable_seconds_remedy = Сервер О!плати просит подождать: повторите через { $seconds } с
journal_unreadable = Журнал операций не читается
    .remedy = Проверьте диск кассы: oplati selftest; результат оплаты смотрите в личном кабинете О!плати
journal_silent = Журнал операций не отвечает
    .remedy = Повторите тот же запрос с тем же идентификатором: другой начал бы ещё одну операцию
log_unreadable = Журнал terminal.log не читается: { $error }
    .remedy = Проверьте папку журнала: oplati selftest
not_found_remedy = Проверьте адрес и идентификатор
no_operation = Операция не найдена
    .remedy = Проверьте идентификатор операции
no_payment = Оплата с таким payment_id не найдена
    .remedy = Проверьте номер оплаты
no_operation_before = Операция, названная в before, не найдена
    .remedy = Начните список сначала
no_address = Такого адреса нет
no_window = Такое окно не подключено
window_only_by_socket = Окно дисплея подключается только через сокет
window_not_configured = В oplati.conf не указано окно
    .remedy = Добавьте window в [Display] device и перезапустите службу oplati
bad_device_name = Имя устройства — латинские буквы и цифры, например scanner1
    .remedy = Имена устройств — oplati devices
too_large = Запрос больше 256 КиБ
    .remedy = Уменьшите чек
too_many_listeners = Слишком много слушателей событий
    .remedy = Закройте лишние окна и программы
too_many_pictures = Слишком много запросов картинки
    .remedy = Закройте лишние окна и страницы
no_page = Страница недоступна

## What stands in the way of a new operation

busy = Выполняется другая операция О!плати
    .remedy = Дождитесь её завершения или отмените её
receipt_unfinished = По этому чеку не завершена отмена { $id }
    .remedy = Повторите её (oplati queue retry) или закройте (oplati queue settle)
clock_behind = Часы кассы отстают от последней записи журнала
    .remedy = Установите верные дату и время
# An operation of other settings waits in the queue.
other_account = Операция { $id } начата с другими url или regNum
    .remedy = Верните прежние url и regNum в oplati.conf или закройте операцию: oplati queue settle
# What is to be reversed was made with other settings.
account_gone = Операция { $id } сделана с другими url или regNum
    .remedy = Верните прежние url и regNum в oplati.conf или верните деньги в личном кабинете О!плати
long_over = Операция { $id } уже была и закончилась { $at }: идентификаторы не повторяются
    .remedy = Дайте новой операции новый идентификатор, например с датой или UUID
other_content = Операция с таким идентификатором уже есть, но с другим содержанием
    .remedy = Дайте новой операции новый идентификатор
too_late_to_abort = Отмена или возврат уже выполняется, остановить нельзя

## What stands in the way of a refund or a cancellation

not_a_sale = Операция { $id } не продажа
    .remedy = Возврат делается по продаже
not_a_paid_sale = payment_id = { $id }: это не оплаченная продажа
unfinished = Операция { $id } ещё не завершена
without_money = По операции { $id } деньги не получены, отменять нечего
# It was reported to the till as not paid, the service shows it paid, and its undoing is not carried out yet.
only_cancelled = Продажа { $id } завершена без оплаты, но сервис показывает по ней деньги: её можно только отменить целиком
    .remedy = Отмените её: oplati cancel { $id }
more_than_left = Сумма возврата { $amount } больше остатка оплаты { $left }
    .remedy = Уменьшите сумму возврата
return_unavailable_remedy = Сделайте возврат по чеку продажи
sale_undone = Продажа { $id } отменена, отменить возврат по ней нельзя
refund_to_review = Возврат { $id } выполнен не так, как сообщено кассе
    .remedy = Посмотрите его в личном кабинете и закройте: oplati queue settle { $id } --outcome carried_out --reason "…"
# A refund that was not found and may come to light yet.
refund_held = Возврат { $id } по этой оплате ещё проверяется
    .remedy = Повторите отмену позже, не дольше чем через час
    .overdue_remedy = Проверьте возврат в личном кабинете О!плати и закройте его: oplati queue settle
refund_undecided = Возврат { $id } по этой оплате ещё не проверен
cancel_refund_undecided = Отмена возврата { $id } по этой оплате ещё не завершена
undecided_remedy = Повторите или закройте: oplati queue retry, oplati queue settle
# The cashier asks for the same sum once more.
refund_repeated = Возврат { $id } на ту же сумму ещё проверяется
    .remedy = Проверьте возврат в личном кабинете О!плати или повторите через час
refund_repeated_late = Возврат { $id } на ту же сумму выполнен позже, чем сообщено
    .remedy = Деньги уже у покупателя. Если нужен ещё один такой возврат, сделайте его двумя частями

## What stands in the way of a person at the queue

not_in_queue = В очереди нет такой отмены
    .remedy = Посмотрите очередь: oplati queue
nothing_left_to_undo = От этой оплаты ничего не осталось, отменять нечего
    .remedy = Закройте отмену: oplati queue settle
nothing_left_of_refund = От этого возврата ничего не осталось, отменять нечего
shown_as_made = Сервис показывает, что операция выполнена
    .remedy = Проверьте её в личном кабинете О!плати и закройте как выполненную: oplati queue settle
still_tried = Отмена ещё выполняется сама, закрыть её нельзя
    .remedy = Дождитесь завершения отмены
refund_still_tried = Возврат ещё выполняется сам, закрыть его нельзя
    .remedy = Дождитесь завершения возврата
sale_waits_for_it = Продажа ещё ждёт этой отмены

## The journal does not serve

journal_full_reason = Журнал не записывается: освободите место на диске
journal_quota_reason = Журнал не записывается, дисковая квота исчерпана: увеличьте её (quota -u oplati) или освободите место
journal_disk_reason = Журнал не записывается, диск неисправен или доступен только для чтения: проверьте его (dmesg)
journal_rights_reason = Журнал не записывается: верните службе права на его файлы
journal_locked_reason = Журнал не записывается, его удерживает другая программа: завершите её (fuser -v journal.sqlite3)
journal_reserve_reason = Журнал не записывается, на месте journal.sqlite3.reserve не файл: уберите его
journal_gone_reason = Журнал удалён или заменён во время работы: верните прежний файл на место
journal_damaged_reason = Журнал операций повреждён: перезапустите службу, она отложит его в journal.damaged, и верните исправную копию, либо обратитесь в поддержку
journal_other_reason = Журнал не записывается: проверьте диск кассы и terminal.log
journal_not_writable = Журнал операций не записывается, новые операции невозможны
journal_damaged = Журнал операций повреждён, новые операции невозможны
journal_full_remedy = Освободите место на диске кассы
journal_quota_remedy = Увеличьте дисковую квоту пользователя oplati или освободите место
journal_disk_remedy = Проверьте диск кассы: dmesg
journal_rights_remedy = Верните службе права на файлы журнала
journal_locked_remedy = Завершите программу, которая удерживает журнал: fuser -v journal.sqlite3
journal_reserve_remedy = Уберите то, что лежит на месте journal.sqlite3.reserve
journal_gone_remedy = Верните прежний файл журнала на место
journal_damaged_remedy = Перезапустите службу oplati: она отложит журнал в journal.damaged
journal_other_remedy = Проверьте диск кассы и журнал terminal.log

journal_stalled_reason = Журнал не записывается: диск не отвечает, проверьте диск кассы

## The journal cannot be opened

closed_aside = Журнал операций повреждён и отложен в { $folder }: верните исправную копию и перезапустите службу, либо обратитесь в поддержку
    .remedy = Верните исправную копию журнала и перезапустите службу oplati
closed_too_new = Журнал операций записан более новой версией: установите её
    .remedy = Установите более новую версию artix-oplati
closed_locked = Журнал операций занят другой программой: { $holder }
    .remedy = Дождитесь, пока она закончит, или завершите её: служба продолжит сама
closed_row = Журнал операций не читается: запись операции { $id }
    .remedy = Обратитесь в поддержку и сохраните папку журнала
closed = Журнал операций не открывается: { $cause }
closed_cause_full = на диске нет места или свободных записей для файлов
    .remedy = Освободите место на диске кассы: служба продолжит сама
closed_cause_quota = дисковая квота исчерпана
    .remedy = Увеличьте дисковую квоту пользователя oplati или освободите место: служба продолжит сама
closed_cause_rights = не хватает прав на файл или папку
    .remedy = Верните службе права на папку журнала: она продолжит сама
closed_cause_disk = диск кассы не отдаёт или не принимает данные
    .remedy = Проверьте диск кассы (dmesg): служба продолжит сама, когда он ответит
closed_cause_locked = файл занят другой программой
    .remedy = Закройте программу, которая держит журнал: служба продолжит сама
closed_cause_other = проверьте диск кассы и права на файлы
    .remedy = Устраните причину: oplati selftest. Служба продолжит сама

## Why the till is not well, in `reasons` of health; those of the journal stand above

not_configured_reason = Не задан regNum в oplati.conf
clock_behind_reason = Часы кассы отстают от последней записи журнала: проверьте дату и время
clock_wrong_reason = Часы кассы расходятся с часами сервера: { $way } на { $much }. Установите верные дату и время
    .slow = отстают
    .fast = спешат
    .minutes = { $minutes } мин
    .hours = { $hours } ч { $minutes } мин
    .days = { $days } дн. { $hours } ч
service_busy_reason = Сервер О!плати просит подождать до { $until }
service_protocol_reason = Сервер О!плати отвечает неверно: oplati selftest
service_unreachable_reason = Нет связи с сервером О!плати
queued_reason = В очереди отмен: { $count }
set_aside_reason = Отмены ждут решения человека: { $count }
to_review_reason = Выполнены не так, как сообщено кассе: { $count }. Посмотрите и закройте: oplati queue
overdue_reason = Сервер не отвечает, выполнены ли операции: { $count }. Проверьте их в личном кабинете О!плати
shifts_differ_reason = Расхождений с сервисом: { $count }, смены { $shifts }. Подробности: oplati reconcile СМЕНА
shift_overdue_reason = Смена { $shift } не сверена. { $why }
log_refused_reason = Лог terminal.log не записывается: { $why }. Проверьте место на диске и права: oplati selftest
log_silent_reason = Лог terminal.log не записывается: диск не отвечает. Проверьте диск кассы
tcp_key_reason = Ключ для TCP: { $error }
logo_reason = Логотип не показан: { $error }
profile_reason = Профиль устройства { $name } с ошибкой и не действует: исправьте его (oplati check) и перезапустите службу
code_hidden_reason = Ни один дисплей не показывает код подтверждения: его называет кассир
qr_hidden_reason = Ни один дисплей не показывает QR-код: его показывает касса
module_reason = Устройство { $name }: точка QR-кода { $size } мм, меньше 0,5 мм читается плохо. Нужен дисплей больше
unproven_reason = Устройство { $name }: показано кодов, которые не прочитала проверка: { $count }
device_reason = Устройство { $name }: { $state }
    .missing = не подключено
    .busy = занято
    .no_permission = нет прав
    .wrong_mode = не в том режиме
    .failed = неисправно
    .covered = закрыто другим окном
    .dark = экран погашен

## What helps against the state of a device

scanner_held_remedy = Сканер занят программой { $holder }: остановите её
scanner_busy_remedy = Сканер занят другой программой: остановите её
scanner_no_permission_remedy = Нет прав на устройство: выполните udevadm trigger, для незнакомого сканера или переходника — oplati devices bind
scanner_wrong_mode_remedy = Сканер в режиме { $mode }: прочитайте сканером код нужного режима из его инструкции или укажите { $word }: в oplati.conf
scanner_failed_remedy = Проверьте устройство: oplati devices list
display_held_remedy = Дисплей занят программой { $holder }: остановите её
display_busy_remedy = Дисплей занят другой программой: остановите её или запустите в её сеансе oplati display --window
display_taken_remedy = Экран занят ({ $holder }): запустите в сеансе рабочего стола oplati display --window
    .by_desktop = рабочим столом
display_none_remedy = Откройте покупателю страницу /display или назовите экран в oplati.conf
display_no_permission_remedy = Нет прав на устройство: выполните udevadm trigger
display_picture_remedy = Проверьте папку картинки, права на неё, место на диске и что под именем картинки нет ничего, кроме файла
display_failed_remedy = Проверьте дисплей: oplati devices
display_silent_remedy = Дисплей не отвечает: выключите и включите его
display_page_remedy = Откройте на дисплее покупателя страницу /display

## Reconciliations

no_reg_num = Не задан регистрационный номер кассы
    .remedy = Задайте regNum в oplati.conf и перезапустите службу oplati
reconciliation_runs = Сверка уже выполняется
template_bad = Шаблон отчёта oplat.xml: { $what }
    .remedy = Исправьте шаблон или переименуйте его, тогда действует встроенный
report_missing = Отчёт сервиса не получен. { $why }
report_bad_field = Отчёт сервиса не прочитан: в записи { $row } неверно поле { $field }
report_bad_row = Отчёт сервиса не прочитан: неверна запись { $row }
report_bad_row_remedy = Передайте это в поддержку О!плати; смену сверьте пока в личном кабинете О!плати
report_incomplete = Отчёт сервиса не прочитан: он неполон или другого вида
report_of_another = Отчёт сервиса не прочитан: пришёл не ответ О!плати
difference_unknown_here = Есть у сервиса, нет в кассе
difference_unknown_there = Есть в кассе, нет у сервиса
difference_sum = Суммы не равны
difference_status = Состояния не равны

## The printed report

slip_differences = Расхождений: { $count }
slip_no_differences = Расхождений нет
slip_sales = Продажи
slip_refunds = Возвраты
slip_cancellations = Отмены
slip_cancelled_refunds = Отмены возвратов
slip_nothing = нет

## The only item of a receipt that the command line makes

sale_item = Продажа
refund_item = Возврат

## Tests of devices that are refused

device_unknown = Устройства { $name } нет
device_test_runs = Проверка устройства уже идёт
    .remedy = Дождитесь её конца или остановите её
device_test_disturbs = Идёт оплата: проверка с кодами на дисплее помешала бы покупателю
    .remedy = Повторите после оплаты
display_without_qr = Дисплей { $name } не показывает QR-код
display_refuses_qr = Дисплей { $name } не показывает пробный код: { $why }
display_other_remedy = Назовите другой дисплей
no_display_with_qr = Ни один дисплей не показывает QR-код
    .remedy = Впишите дисплей в [Display] device файла oplati.conf

## Who may ask

unauthorized = Нужен ключ доступа: Authorization: Bearer …
    .remedy = Возьмите ключ из файла tokenFile
forbidden = Запрос с чужим { $name } отклонён
    .remedy = Обращайтесь к 127.0.0.1 напрямую
too_many_entries = Слишком много попыток входа
    .remedy = Повторите через несколько секунд
wrong_key = Ключ не подходит
    .remedy = Возьмите ключ из файла tokenFile или ссылку из oplati open
used_link = Ссылка уже использована или устарела
    .remedy = Получите новую: oplati open
page_not_configured = Страница техника выключена: в oplati.conf не задан listen
    .remedy = Запишите в раздел [Till] строку listen = 127.0.0.1:8016 и перезапустите службу

# The HTTP library refuses a request by a number alone.
daemon_refused = Служба ответила кодом HTTP { $status }
    .remedy = Проверьте аргументы команды

## What is wrong in a request; the part after `invalid` is one of those that follow

invalid = Неверный запрос: { $what }
    .remedy = Исправьте запрос в кассовой программе
body_no_object = тело запроса: нужен объект JSON
body_syntax = тело запроса: ошибка JSON в строке { $line }, столбце { $column }
body_late = тело запроса не пришло вовремя
body_broken = тело запроса оборвано или неверно передано
content_type = Content-Type: нужно application/json в кодировке UTF-8
method = такой метод здесь не допускается
session_only_from_page = сеанс открывает только страница /
session_one_key = token, code: нужно одно из двух
outcome_needed = outcome: обязательное поле, допустимо carried_out, not_carried_out
also = also: допустимо request, scene или оба через запятую
size_both = width, height: нужны оба
size = { $size }: нужно от 320x240 до 3840x2160, в любой ориентации
path_text = идентификатор в адресе: нужен текст UTF-8
sale_or_payment = sale и payment_id: нужно одно из двух
payment_id_positive = payment_id = { $id }: нужно больше 0
card_number_type = cardNumberType = { $value }: нужно { $needed }
items_count = receipt.items: { $count } позиций, нужно от 1 до { $most }
quantity = { $name }: нужно число больше 0 вида 1.000, до 9 цифр и до 3 знаков после точки
barcode = { $name }: нужно от 1 до 64 цифр
text_invisible = { $name }: нет ни одного видимого символа, нужно от 1 до { $most }
text_too_long = { $name }: { $length } символов, нужно не более { $most }
text_control = { $name }: управляющий символ U+{ $code } не допускается
range = { $name } = { $value }: нужно от { $from } до { $to }
range_kopecks = { $name } = { $value }: нужно от { $from } до { $to } копеек
range_seconds = { $name } = { $value }: нужно от { $from } до { $to } секунд
code_length = text: { $length } символов, нужно от 1 до { $most }
field_needed = { $name }: обязательное поле
field_unknown = { $name }: такого поля нет
field_twice = { $name }: поле указано дважды
field_list = { $name }: список здесь не допускается
field_wrong = { $name }: { $needed }
needs_text = нужен текст
needs_boolean = нужно true или false
needs_integer = нужно целое число
needs_decimal = нужно десятичное число
needs_object = нужен объект
needs_list = нужен список
needs_one_of = допустимо { $words }
needs_smaller = слишком большое число

## What is wrong in a request, in sentences of their own

bad_id = Неверный идентификатор операции: нужно от 1 до 64 символов A-Z a-z 0-9 . _ -, первый из них буква или цифра
    .remedy = Исправьте идентификатор в кассовой программе
other_valutcode = valutcode = { $value }: номер типа оплаты О!плати { $ours }
    .remedy = Исправьте valutcode в настройке COMMAND_CARD или в oplati.conf
amount_mismatch = Сумма позиций чека ({ $sum }) не равна сумме операции ({ $amount })
    .with_otherwise = Сумма позиций чека ({ $sum }) не равна сумме операции ({ $amount }) вместе с paid_otherwise ({ $otherwise })
    .endless = слишком много
    .remedy = Исправьте чек в кассовой программе
