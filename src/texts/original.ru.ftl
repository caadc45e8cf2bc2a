### The messages of the original module, which cashiers, their instructions and its supporters know. They stay letter
### for letter as its documentation has them, with its spelling of the wallet (a Latin O in one, a Cyrillic О in another).

# No connection during a sale or refund.
no_connection = Ошибка обращения к серверу
# Another attempt while the connection is still down, or while a cancellation is queued.
unavailable = Возможность проведения операций с использованием платежной системы "O!плати" временно недоступна
# No connection during a cancellation.
cancel_queued = Ошибка соединения с сервером. Операция отмены в очереди будет выполнена после восстановления связи с сервером
# The dynamic QR is on the display.
scan_qr = Отсканируйте QR-код для оплаты
# A token was issued before, or the till works in password mode.
token_exists = Токен уже существует или касса работает в режиме пароля
# The token was reset, or the till is not registered.
token_needed = Необходимо получить новый токен в кассовом ПО либо касса не зарегистрирована в личном кабинете юр. лица
# A return receipt without its sale.
return_unavailable = Оплата чеков возврата через платежную систему О!плати не доступна
