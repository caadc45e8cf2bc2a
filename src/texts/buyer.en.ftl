### The rules stand in buyer.ru.ftl.

idle = Welcome!
    .hint = You can pay with { $name } here
    .hint_app = You can pay with the { $name } app here
scan_me = Show your QR code
    .hint = Open { $name } and hold your code to the scanner
    .hint_app = Open the { $name } app and hold your code to the scanner
qr_for_card = Scan the QR code
    .hint = to use your card
qr = Scan the QR code to pay
    .hint = in the { $name } app
code = Confirmation code
    .hint = Enter it in the { $name } app
please_confirm = Confirm the payment
    .hint = on your phone
checking = Checking the payment
    .hint = do not close the app
paid = Paid
    .hint = Thank you!
declined = Payment declined
    .hint = No money was taken
not_enough_money = Not enough money
    .hint = Top up your wallet or pay another way
time_is_up = Time is up
    .hint = The payment was not made
cancelled = Payment cancelled
    .hint = Please ask the cashier
refunded = Money refunded
    .hint = to your { $name } wallet
card_found = Card found
    .hint = Thank you!
not_completed = Payment not completed
    .hint = If money was taken, it will be returned
no_connection = No connection
    .hint = { $name } is not available right now
    .hint_app = { $name } is not available right now
to_pay = To pay
amount = { $roubles }.{ $kopecks }{ "\u00A0" }BYN

## Line displays

line_pay_with = Pay with О!плати
    .named = Pay with { $name }
line_from_the_app = from the О!плати app
    .named = from the { $name } app
    .bare = from the app
line_code = О!плати code
    .named = { $name }: code
    .bare = Code
line_enter_code = Enter it in the app
line_wait = Please wait
line_paid = PAID
line_top_up = Top up your wallet
line_not_made = Payment not made
line_ask_cashier = Ask the cashier
line_amount = Amount
line_unit = BYN
line_not_completed = Payment incomplete
line_will_return = Charges are returned
line_no_connection = No connection
    .bare = No connection
# Without $name: it has no room.
line_no_connection_named = No connection
