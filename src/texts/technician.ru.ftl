### What technicians and administrators read: the self-test, the tests of devices and the command line.
### A key that ends in _remedy names what helps against what the key without it reports.

## Said in several places

only_daemon_knows = знает только работающая служба
not_there_yet = ещё нет

## Groups of checks

group_configuration = Настройки
group_files = Файлы и права
group_users = Пользователь и группы
group_udev = Правила udev
group_devices = Устройства
group_service = Сервер О!плати
group_journal = Журнал операций
group_log = Лог
group_api = Служба и её API
group_versions = Версии

## Self-test

run_finished = Проверка закончилась
run_not_finished = не закончилась за { $seconds } с ({ $why })
run_check_disk_and_network = Проверьте диск и сеть кассы: что-то не отвечает

## Self-test: oplati.conf, profiles and files

settings_not_read = oplati.conf не читается
settings_file = Файл oplati.conf
settings_mend_line = Исправьте названную строку: oplati check печатает, что разрешено
settings_absent = нет, действуют значения по умолчанию
settings_configure = Настройте модуль: dpkg-reconfigure artix-oplati
settings_mend_name = Исправьте имя в названной строке
settings_reg_num = Регистрационный номер кассы
settings_not_set = не задан
settings_put_reg_num = Впишите regNum в раздел [Main] файла oplati.conf и перезапустите службу: systemctl restart oplati
settings_profiles = Профили устройств
settings_mend_profile = Исправьте профиль в /etc/oplati/devices.d или строку profile в oplati.conf
settings_template = Шаблон отчёта oplat.xml
settings_restore_template = Верните шаблон из пакета: apt-get install --reinstall artix-oplati
settings_logo = Логотип
settings_mend_logo = Положите PNG по этому пути или уберите logo из oplati.conf
settings_rights = Права на { $name }
settings_run_chown = Выполните: chown { $owner } { $path } && chmod u+rw { $path }
settings_secret_is_open = Файл с секретом открыт другим. Выполните: { $command }
settings_folder_closed = пользователь { $owner } не проходит через папку { $shown }
settings_run_chmod = Выполните: chmod o+x { $shown }
settings_token_is_open = Токен API открыт всем. Выполните: { $command }
settings_not_seen = не видно этому пользователю, запустите с sudo
settings_unreadable = не читается
settings_run = Выполните: { $command }
settings_disk_read_only = Диск смонтирован только для чтения: проверьте его (dmesg) и перезагрузите кассу
settings_log = Лог terminal.log
settings_log_no_file = На месте лога не файл: уберите { $shown }, служба создаст лог сама
settings_log_not_writable = Служба не может писать лог. Выполните: { $command }

## Self-test: users and udev

system_user = Пользователь службы и группы
system_no_system = в этой папке нет системы, только файлы
system_reinstall = Переустановите пакет: apt-get install --reinstall artix-oplati
system_no_user = нет пользователя { $name }
system_no_device_group = нет группы { $name }: устройства недоступны службе
system_user_not_in_group = пользователь { $name } не в группе { $name }: устройства недоступны службе
system_till_group = Группа программ кассы
system_no_till_group = нет группы { $name }
system_rules = Правила udev установлены
system_run_install = Выполните: { $install }
system_no_rules = нет { $name }
system_other_rules = не те, что следуют из профилей
system_rules_have_effect = Правила udev действуют
system_run_reload = Выполните: { $reload }; затем переткните устройство

## Self-test: devices

devices_daemon_is_closed = служба не пускает этого пользователя, запустите с sudo
devices_daemon_is_silent = служба их держит, но не отвечает
devices_picture = Картинка покупателя
devices_restart_daemon = Перезапустите службу: systemctl restart oplati; повторилось — oplati selftest --save и в поддержку
devices_picture_unreadable = картинка не читается
devices_picture_empty = картинка пуста
devices_code_unreadable = код на картинке не читается
devices_code_was_read = { $shown }: пробный код прочитан
devices_code_has_no_room = пробный код не помещается или не читается
devices_larger_picture = Задайте больший размер картинки в [Display] device

## Self-test: the payment service and the token

service_no_reg_num = не задан regNum
service_no_resources = система не даёт ресурсов
service_reached = Сервер отвечает
service_elapsed = { $url }: { $ms } мс
service_out_of_order = Сервер О!плати неисправен: подождите и повторите, затем звоните в поддержку О!плати
service_other_answered = { $url }: ответил не сервер О!плати (HTTP { $status })
service_check_url_and_login = Проверьте url в oplati.conf; он верен — откройте его в браузере кассы: роутер магазина может просить вход в сеть
service_slow = Ответ медленный: проверьте связь кассы с интернетом
service_name = Имя сервера
service_slow_name = поиск адреса занял { $ms } мс: первый сервер имён в /etc/resolv.conf, { $first }, не отвечает вовремя
service_slow_name_remedy = Включите этот сервер имён или поставьте первым другой, который отвечает: настройки сети кассы, затем проверьте /etc/resolv.conf
service_addresses = Адреса сервера
service_bad_address = { $address }: отвечает не сервер О!плати ({ $what }); служба переходит к следующему адресу
service_bad_address_remedy = Сообщите об этом адресе в поддержку О!плати; он задан в /etc/hosts или сервером имён магазина — исправьте его там
service_name_not_found = имя сервера не найдено
service_name_not_found_remedy = Проверьте url в oplati.conf и DNS кассы
service_not_connected = нет соединения
service_not_connected_remedy = Проверьте кабель и интернет кассы, url в oplati.conf
service_expired = срок сертификата сервера истёк
service_expired_remedy = Проверьте дату кассы: timedatectl. Дата верна — сообщите в поддержку О!плати, что сертификат истёк
service_not_yet_valid = сертификат сервера ещё не действует: часы кассы отстают
service_not_yet_valid_remedy = Включите синхронизацию времени: timedatectl set-ntp true
service_unknown_issuer = сертификат сервера подписан неизвестно кем
service_unknown_issuer_remedy = Обновите сертификаты: apt-get install --reinstall ca-certificates; проверьте, не вмешивается ли прокси
service_authority_itself = сертификат сервера — сертификат самого удостоверяющего центра (CA:TRUE), серверу он не годится
service_authority_itself_remedy = Выпустите этим центром отдельный сертификат для сервера, без CA:TRUE
service_other_name = сертификат выдан другому серверу
service_other_name_remedy = Проверьте url в oplati.conf
service_no_tls = не удалось защищённое соединение
service_no_tls_remedy = Проверьте url в oplati.conf и прокси магазина
service_no_answer = сервер не ответил
service_no_answer_remedy = Проверьте интернет кассы и повторите
service_cached = ответ старый, и дал его не сервер
service_cached_remedy = Кэш или прокси на пути к серверу отдаёт сохранённые ответы: отключите его для адреса из url в oplati.conf
service_no_request = запрос не составить
service_no_request_remedy = Установите пакет ca-certificates и проверьте regNum и password в oplati.conf
service_certificate = Сертификат сервера
service_without_tls = соединение без TLS
service_valid_until = действует до { $day }
service_certificate_ends = Срок скоро истечёт: сообщите в поддержку О!плати
service_clock = Часы кассы
service_no_time = сервер не назвал времени
service_clock_skew = расхождение с сервером { $seconds } с
service_set_clock = Включите синхронизацию времени: timedatectl set-ntp true; проверьте дату и часовой пояс: timedatectl
service_token = Токен
service_token_needed_remedy = Токен сброшен — уберите token.conf и перезапустите службу: { $put_aside }. Не сбрасывали — проверьте regNum и регистрацию кассы в личном кабинете О!плати
service_token_exists_remedy = Сбросьте токен в личном кабинете О!плати и повторите операцию
service_token_no_place = токен некуда записать
service_token_no_place_remedy = Освободите место на диске и проверьте права папки
service_token_password = касса в режиме пароля
service_token_taken = есть, сервер его принял
service_token_other_answer = есть, но сервер ответил HTTP { $status }
service_token_other_answer_remedy = Проверьте url и regNum в oplati.conf и регистрацию кассы в личном кабинете О!плати
service_token_not_tried = есть, сервер не спрошен
service_token_absent = ещё не получен: придёт при первой оплате
service_token_hidden = token.conf читает только служба, запустите с sudo
service_token_damaged = token.conf испорчен: { $what }
service_token_damaged_remedy = Верните файл из копии или оставьте в нём одну строку с токеном. Токен потерян — сбросьте его в личном кабинете О!плати, затем выполните: { $put_aside }

## Self-test: journal, disk and queue

journal_whole = Журнал операций цел
journal_daemon_is_silent = служба не отвечает
journal_daemon_writes = служба пишет в него, операций: { $count }
journal_empty = ещё пуст
journal_operations = операций: { $count }
journal_too_large = { $mb } МБ, служба проверит его при запуске
journal_damaged = журнал повреждён: { $error }
journal_run_with_sudo = запустите с sudo
journal_put_copy_and_start = Верните исправную копию журнала на место { $path } и выполните systemctl start oplati. Копии нет — запустите службу: она отложит журнал в { $folder }; уберите эту папку, выполните systemctl restart oplati и проверьте незавершённые оплаты в личном кабинете О!плати
journal_restart_and_put_copy = Выполните systemctl restart oplati: служба отложит журнал в { $folder }; затем верните исправную копию на место { $path } и перезапустите её ещё раз
journal_put_copy_and_restart = Верните исправную копию журнала на место { $path } и выполните systemctl restart oplati. Копии нет — уберите { $folder } и проверьте незавершённые оплаты в личном кабинете О!плати
journal_give_rights = Верните службе её файлы: chown oplati:oplati-till { $path }* && chmod 600 { $path }*, а при lsattr с буквой i или a: chattr -i -a { $path }*. Служба продолжит сама
journal_end_holder = Завершите программу, которая держит журнал: fuser -v { $path }*. Служба продолжит сама
journal_check_disk = Проверьте диск кассы (df -h, dmesg), затем выполните systemctl restart oplati
journal_room = Место на диске
journal_not_seen = не видно
journal_disk_fails = диск неисправен
journal_free = свободно { $mb } МБ
journal_make_room = Освободите место на диске кассы: df -h, du -xh / | sort -h
journal_quota = Службе места нет, хотя на диске оно есть: увеличьте дисковую квоту пользователя oplati (quota -u oplati) или освободите место
journal_queue = Очередь отмен
journal_queue_remedy = Восстановите связь с сервером; что ждёт — oplati queue
journal_queue_unknown = неизвестно: служба не пользуется журналом
journal_queue_depth = ждут: { $depth }

## Self-test: the daemon and its API

api_daemon = Служба отвечает
api_daemon_stopped = служба не запущена
api_start_daemon = Запустите службу: systemctl start oplati; не запускается — journalctl -u oplati -n 50
api_daemon_elsewhere = служба (процесс { $pid }) работает, но не здесь: у неё другие настройки, или она как раз запускается
api_restart_with_settings = После изменения oplati.conf перезапустите службу: systemctl restart oplati
api_no_right = нет прав
api_add_to_group = Добавьте пользователя в группу: sudo usermod -aG oplati-till $USER, затем войдите заново; или запустите с sudo
api_restart_daemon = Перезапустите службу: { $restart }
api_sales = Оплата возможна
api_sales_remedy = Устраните названное: что делать, сказано у проверок с отметкой «ошибка»
api_tcp = API по TCP
api_port_silent = Порт не отвечает: после правки [Till] listen перезапустите службу: systemctl restart oplati
api_version = Версия oplati
api_other_version = служба { $other }, команда { $own }
api_old_daemon = Служба старая: systemctl restart oplati
api_system = Система

## Self-test: the trial with the payment service

trial_asks = Будет открыт один сеанс с сервером
trial_shows = QR-код показывается 20 секунд, ничего не оплачивается. Не делайте этого во время оплаты.{ "\u000A" }Начать? (да/нет)
# Typed by a person.
trial_yes = да
trial_is_open = Сеанс открыт, ждём 20 с; Ctrl-C — закончить раньше
trial_no_token = токена ещё нет, а проверка его не запрашивает
trial_token_hidden = token.conf читает только служба
trial_no_request = запрос не составить: { $what }
trial_get_token = Запустите службу, выполните oplati reconcile и повторите: токен придёт при первом обращении
trial_run_with_sudo = Запустите с sudo: sudo oplati selftest --trial
trial_run_selftest = Выполните oplati selftest: он назовёт, что исправить
trial_title = Пробный сеанс
trial_seen = видно: { $what }
trial_not_seen = не видно: { $what }
trial_differs = иначе: { $what }
trial_tell_developers = Сообщите эту строку разработчикам oplati
trial_token_accepted = Токен принят
trial_password_accepted = Пароль принят
trial_session_opened = сеанс открыт
trial_check_token = Проверьте токен и регистрацию кассы в личном кабинете О!плати
trial_service_not_reached = сервер недоступен ({ $detail })
trial_session_not_opened = сеанс не открыт ({ $detail })
trial_session_id = sessionId — целое число
trial_scheme = Текст QR-кода — o-plati://…
trial_consumer_status = consumerStatus отвечает
trial_no_session = нет сеанса
trial_no_address = не адрес
trial_buyer_joined = покупатель подключился
trial_nobody_joined = никто не подключился
trial_answers_and_failure = ответов { $answers }, затем { $detail }
trial_stopped = остановлено раньше
trial_watched = ответов { $answers }, { $came }
trial_unknown_payment = Неизвестная оплата отклоняется
trial_report = Отчёт за сегодня — массив
trial_rows = строк { $rows }
trial_not_found = HTTP 404, сегодня операций нет
trial_report_rows = Строки отчёта читаются
trial_rows_unreadable = не читается { $unreadable } из { $rows }
trial_rows_all = все { $rows }
trial_rows_none = строк нет
trial_empty_report = Пустая смена — пустой массив или 404
trial_empty_array = пустой массив
trial_rows_tomorrow = в завтрашней смене строк { $rows }

## Test of a device

device_test_stopped = Проверка остановлена
device_test_left = Никто не читает: проверка закончена
device_test_done = Проверка закончена
device_test_no_remarks = Замечаний нет
device_test_read_code = Прочитайте сканером { $scanner } код с дисплея { $display }: { $next } из { $of }
device_test_last = { $read }. Было: { $fault }
device_test_type_digits = Введите цифры, которые показывает дисплей { $display }

## Test of a device: its state

checks_firmware = прошивка
checks_interactive = Проверка с человеком
checks_no_permission = нет прав
checks_no_permission_remedy = Выполните: { $known }. Права не появились (переходник USB–COM, незнакомый сканер) — oplati devices bind { $node } scanner
checks_dark = экран погашен
checks_dark_remedy = Отключите на кассе заставку и энергосбережение экрана: xset s off -dpms
checks_setting = Настройка и профиль
checks_spoilt = с подключения прочитано { $scans }, испорчено { $discarded }
checks_spoilt_remedy = Проверьте кабель, скорость порта и профиль сканера: oplati selftest --interactive
checks_unproven = кодов, которые не прочитала проверка: { $unproven }
checks_unproven_remedy = Нужен дисплей больше: код на этом слишком мелкий
checks_scanner = Сканер подключён
checks_display = Дисплей подключён
checks_works = { $node }: работает
checks_none = ни один не подключён
checks_missing = не подключено
checks_busy = занято другой программой
checks_covered = закрыто другим окном
checks_covered_remedy = Закройте или уберите с монитора покупателя программу, окно которой остаётся поверх окна О!плати
checks_wrong_mode = сканер не в том режиме
checks_wrong_mode_remedy = Прочитайте сканером код режима «USB-COM» или «HID POS» из его инструкции; что сейчас подключено и что вписать в oplati.conf — oplati devices
checks_failed = неисправно
checks_failed_remedy = Выключите и включите устройство; не помогло — oplati devices и лог terminal.log
checks_open_page = Откройте на дисплее покупателя в браузере страницу /display этой кассы; адрес — [Till] listen в oplati.conf
checks_open_window = Запустите на столе кассира: oplati display --window
checks_scanner_missing_remedy = Проверьте кабель; подключён — впишите в [Scanner] device путь, который печатает oplati devices
checks_display_missing_remedy = Проверьте кабель и питание дисплея и путь в [Display] device
checks_stop_holder = Остановите программу { $holder }: устройство нужно службе одной
checks_stop_unknown_holder = Остановите программу, которая держит устройство: sudo oplati devices назовёт её
checks_interactive_not_done = не проводилась: oplati selftest --interactive

## Test of a device: what a person read

findings_no_terminator = сканер не посылает конец кода; раз: { $codes }
findings_reads = { $scanner } читает с { $display }
findings_shows = { $display } показывает
findings_times = { $says }; раз: { $count } из { $of }
findings_repeat_to_end = Повторите проверку до конца
findings_nothing_read = ничего не прочитано, скорость неизвестна
findings_not_to_end = не до конца: прочитано { $read } из { $of }, без ошибок { $good }
findings_none_without_fault = ни один из { $of } кодов не прочитан без ошибок, скорость неизвестна
findings_speed = без ошибок { $good } из { $of }, обычно за { $middle } мс, до { $longest } символов
findings_person_read_right = человек прочитал то, что показано
findings_nobody_typed = никто не ввёл цифры
findings_type_digits = Повторите проверку и введите цифры с дисплея
findings_person_read_other = человек прочитал другое
findings_check_profile = Проверьте profile дисплея в oplati.conf: oplati devices profiles

## Test of a device: what is wrong with a scanner

diagnosis_code_page = кириллица в другой кодировке: сканер передаёт { $sent }, прочитано как { $read }
diagnosis_code_page_remedy = Прочитайте код «UTF-8» из инструкции сканера
diagnosis_exact = код прочитан точно
diagnosis_nothing = ничего не пришло
diagnosis_nothing_remedy = Наведите сканер на код на дисплее; сканер молчит — проверьте кабель и режим: oplati devices
diagnosis_russian_layout = буквы русской раскладки вместо латинских
diagnosis_russian_layout_remedy = Прочитайте код «USA keyboard» из инструкции сканера и уберите layout = ru из oplati.conf
diagnosis_us_layout = латинские буквы вместо русских: раскладка US
diagnosis_us_layout_remedy = Впишите layout = ru в раздел [Scanner] файла oplati.conf, если сканер набирает русскими клавишами
diagnosis_caps_lock = большие и маленькие буквы перепутаны: включён Caps Lock
diagnosis_caps_lock_remedy = Выключите Caps Lock: прочитайте код «Caps Lock off» из инструкции сканера
diagnosis_case = все буквы одного размера: сканер меняет регистр
diagnosis_case_remedy = Прочитайте код «No case conversion» из инструкции сканера
diagnosis_glued = два кода слиплись: сканер не посылает конец кода
diagnosis_glued_remedy = Прочитайте код «Add suffix CR» (Enter) из инструкции сканера
diagnosis_cyrillic_lost = кириллица потеряна, остальное верно
diagnosis_cyrillic_lost_remedy = Для кодов О!плати это не мешает; нужна кириллица — переведите сканер в режим USB-COM или HID POS
diagnosis_aim = перед кодом стоит идентификатор AIM
diagnosis_aim_remedy = Прочитайте код «AIM ID off» из инструкции сканера
diagnosis_split = один код пришёл частями: { $parts }
diagnosis_split_remedy = Прочитайте код заводских настроек сканера; для клавиатурного — «межсимвольная задержка 0»
diagnosis_prefix = перед кодом лишние символы: { $length }
diagnosis_prefix_remedy = Прочитайте код «Clear prefix» из инструкции сканера
diagnosis_suffix = после кода лишние символы: { $length }
diagnosis_suffix_remedy = Прочитайте код «Clear suffix», затем «Add suffix CR» из инструкции сканера
diagnosis_truncated = код обрезан после { $length } символов
diagnosis_truncated_remedy = Уберите ограничение длины кода: прочитайте код заводских настроек сканера
diagnosis_swallowed = потеряно символов: { $count }
diagnosis_swallowed_remedy = Подключите сканер напрямую, без разветвителя; для клавиатурного прочитайте код «межсимвольная задержка 5 мс»
diagnosis_doubled = символов пришло дважды: { $count }
diagnosis_doubled_remedy = Проверьте, не читает ли сканер ещё одна программа, и прочитайте код заводских настроек
diagnosis_other = прочитан другой код
diagnosis_other_remedy = Прочитайте код с дисплея, а не другой

## Why a profile is taken for a device

why_generic_bridge = VID:PID общего переходника, укажите его в oplati.conf
why_usage = HID usage 8C:02 (сканер штрихкодов)
why_vendor_usage = производитель и HID usage 8C:02
why_pattern = VID:PID по правилу производителя; клавиатуру укажите в oplati.conf
why_exact = VID:PID точно

## Command line: headings of tables

heading_section = раздел
heading_key = параметр
heading_value = значение
heading_origin = откуда
heading_node = узел
heading_device = устройство
heading_kind = вид
heading_profile = профиль
heading_why = почему
heading_access = доступ
heading_holder = занят
heading_setting = в oplati.conf
heading_status = проверен
heading_note = что важно
heading_name = имя
heading_state = состояние
heading_since_connected = с
heading_scans = чтений
heading_discarded = испорчено
heading_unended = без конца
heading_frames = кадров
heading_reconnects = переподкл.
heading_last_error = последняя ошибка
heading_time = время
heading_operation = операция
heading_amount = сумма
heading_message = сообщение
heading_undoing = отмена
heading_of = операции
heading_since = ждёт с
heading_tries = попыток
heading_next_try = следующая
heading_reason = причина
heading_till = касса
heading_service = сервис
heading_difference = расхождение
heading_payment = оплата

## Command line: kinds of operations

kind_sale = продажа
kind_refund = возврат
kind_cancel = отмена
kind_cancel_refund = отмена возврата
kind_annul = аннулирование
kind_card = карта

## Command line: states of operations

state_new = начата
state_in_progress = выполняется
state_awaiting_scan = ждёт кода со сканера
state_awaiting_buyer = ждёт покупателя
state_awaiting_confirmation = ждёт подтверждения
state_in_doubt = исход неизвестен, выясняется
state_queued = ждёт связи
state_done = выполнена
state_declined = покупатель отказался
state_not_enough_money = не хватило денег
state_expired = время вышло
state_cancelled = отменена
state_failed = не выполнена

## Command line: requests to the payment service

request_open = открыть оплату
request_session = пришёл ли покупатель
request_pay = списать деньги
request_payment = подтверждена ли оплата
request_reverse = вернуть деньги
request_report = поиск в отчёте
request_probe = проверка связи

## Command line: how a request ended

answer_ok = ответ получен
answer_refused = служба отказала
answer_not_sent = не отправлен, нет связи
answer_lost = ответа нет
answer_token = токен не принят

## Command line: what the display shows

scene_idle = заставка
scene_scan_me = «покажите код сканеру»
scene_qr = QR-код оплаты
scene_card_qr = QR-код карты
scene_code = код оплаты
scene_card_code = код карты
scene_please_confirm = «подтвердите оплату»
scene_checking = «проверяем оплату»
scene_paid = «оплачено»
scene_declined = «оплата отклонена»
scene_not_enough_money = «недостаточно денег»
scene_time_is_up = «время вышло»
scene_cancelled = «отменено»
scene_refunded = «возвращено»
scene_card_found = «карта найдена»
scene_not_completed = «не завершено»
scene_no_connection = «нет связи»

## Command line: health

health_ok = всё в порядке
health_degraded = работает с замечаниями
health_blocked = продажи невозможны

## Command line: states of devices

device_connected = подключено
device_missing = не найдено
device_busy = занято
device_wrong_mode = не тот режим
device_failed = неисправно
device_none = нет
device_covered = закрыто другим окном

## oplati watch: what a line is about

about_request = запрос
about_scene = экран
about_scan = скан
about_queue = очередь
about_daemon = служба

## oplati watch: lines

view_more_of_the_same = … ещё { $more } раз то же, { $least }–{ $most } мс
view_events_missed = часть событий пропущена, посмотреть: oplati operations
view_after = за
view_ms = мс
view_undo_pending = , возврат ждёт
view_undo_done = , возвращено
view_undo_set_aside = , возврат ждёт человека
view_nobody_waited = никто не ждал
view_test = проверка
view_reverses = возвращает
view_waits_for_person = { "  " }ждёт человека

## oplati watch and scan

watch_begins = События по мере появления; выход: Ctrl-C
watch_lost = Связь со службой потеряна, жду её…
watch_missed = Пропущено событий: { $count }
watch_restarted = Связь есть: служба перезапущена; что было до её запуска ({ $seconds } с), не видно: oplati operations
watch_back = Связь есть; запросы и экраны за { $seconds } с не видны, события досланы
watch_code_taken = Код принят операцией
watch_code_not_taken = Код никто не ждал

## Command line: the daemon

till_not_running_or_elsewhere = Служба не запущена (systemctl start oplati) или слушает другой сокет: oplati.conf доступен для чтения только root и службе; если в нём задан [Till] socket, запустите команду от имени root
till_not_running = Служба не запущена: systemctl start oplati
till_elsewhere = Служба (процесс { $pid }) работает с другими настройками или как раз запускается: после изменения oplati.conf выполните systemctl restart oplati
till_no_permission = Добавьте пользователя в группу oplati-till

## oplati check

check_read_from = Прочитан файл
check_no_file = Файл не найден, действуют значения по умолчанию:
check_no_reg_num = Не задан regNum: оплата будет отклоняться, пока он не задан
check_no_time_zone = oplati: на машине нет данных о часовых поясах, время в журнале и отчётах будет по UTC: apt-get install tzdata

## oplati configure

configure_allowed = допустимо
configure_written_and_closed = записан; в нём пароль, поэтому другим пользователям он больше не доступен; действует после перезапуска службы
configure_written = записан; действует после перезапуска службы
configure_unchanged = уже так

## oplati display

display_no_window_program = Окно покупателя — отдельная программа, в пакете artix-oplati она стоит рядом с oplati; из исходного кода её собирает: cargo build --release --features window
display_no_desktop = Запустите в сеансе кассира, от имени кассира: окну нужен X11 (DISPLAY) или Wayland (WAYLAND_DISPLAY)

## oplati devices

list_nothing = ничего не подключено
list_daemon = { "\u000A" }Служба:
list_no_devices = { "\u000A" }В oplati.conf нет устройств
list_daemon_is_silent = { "\u000A" }Служба не отвечает
list_access = есть
list_no_access = нет прав
list_display = дисплей
list_scanner = сканер
list_built_in = встроен
list_tested = на устройстве
list_reported = два источника
list_untested = один источник
list_rule_next = Запишите строку в /etc/udev/rules.d/61-oplati-{ $id }.rules, выполните udevadm control --reload и udevadm trigger, и укажите в oplati.conf: device = { $word }:{ $path }

## Modes of a scanner, in Russian in the genitive

mode_serial = последовательного порта
mode_hid = HID POS
mode_keyboard = клавиатуры

## oplati devices identify

identify_nothing_new = Новых устройств нет: проверьте кабель и питание сканера
identify_read_code = Прочитайте этот код сканером
identify_no_code = Код не прочитан. Сканер занят другой программой, выключен или настроен на скорость, которой нет среди обычных
identify_known = Профиль уже есть: { $id }
identify_unplug = Отключите сканер и нажмите Enter
identify_plug = Подключите сканер
identify_no_profile = профиля нет
identify_other_speed = Пробуется другая скорость порта, прочитайте код ещё раз
identify_other_code = Прочитан другой код, или он искажён
identify_written = Профиль записан:

## Command line: an operation that is waited for

follow_begun = Если операция началась, её покажет oplati operations, остановит oplati abort
follow_contact_lost = Связь со службой потеряна. Чем закончилась операция, покажет: oplati operations
follow_seconds = с
follow_aborting = Отмена…
follow_abort_not_confirmed = Отмена не подтверждена; повторить: oplati abort
follow_abort_goes_on = Отмена продолжается; посмотреть: oplati operations
follow_nothing_refunded = Возврат не сделан
follow_refund_goes_on = Возврат продолжается без вас: oplati operations
follow_nothing_cancelled = Отмена не сделана
follow_cancellation_goes_on = Отмена продолжается без вас: oplati operations
follow_refund_in_doubt = Не повторяйте возврат: программа сама узнаёт результат. Посмотреть: oplati operations

## oplati open

open_link = Откройте ссылку в браузере этой кассы: она сработает один раз, в течение минуты

## oplati operations and queue

operations_more = Дальше:
operations_unfinished = Есть незавершённые операции: их исход узнаёт служба после запуска
operations_queue_empty = Очередь пуста
operations_waits_for_person = ждёт человека

## Command line: codes on a terminal

output_no_place_for_qr = QR-код в этом терминале не помещается: нужен UTF-8 и столбцов не меньше

## oplati refund

refund_again = Чтобы вернуть ещё столько же: --again

## oplati report and reconcile

report_no_differences = { "\u000A" }Расхождений нет
report_more_differences = ещё расхождений:
report_sales = продажи
report_refunds = возвраты
report_cancellations = отмены
report_cancelled_refunds = отмены возвратов
report_net = итого

## oplati selftest

selftest_saved = Записано
selftest_ok = [  да  ]
selftest_warn = [ вним.]
selftest_fail = [ОШИБКА]
selftest_sum = Исправно: { $passed }, внимание: { $warned }, ошибок: { $failed }, пропущено: { $skipped }; { $ms } мс

## oplati selftest --interactive

interactive_daemon_is_closed = служба не пускает этого пользователя
interactive_run_with_sudo = Запустите с sudo: sudo oplati selftest --interactive
interactive_daemon_is_silent = устройства у службы, а она не отвечает
interactive_restart_daemon = Перезапустите службу: systemctl restart oplati
interactive_no_display = ни один дисплей не подключён, показать код негде
interactive_no_display_remedy = Подключите дисплей и впишите его в [Display] device файла oplati.conf
interactive_no_scanner = ни один сканер не подключён, читать коды нечем
interactive_no_scanner_remedy = Подключите сканер и впишите его в [Scanner] device файла oplati.conf
interactive_stop_unanswered = служба не ответила на остановку проверки
interactive_stop_unanswered_remedy = Код уйдёт с дисплея сам через полторы минуты

## oplati selftest without the daemon

offline_mend_settings = Исправьте oplati.conf: oplati check
