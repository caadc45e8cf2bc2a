## Used in several places

only_daemon_knows = only the running daemon knows
not_there_yet = not there yet

## Groups of checks

group_configuration = Configuration
group_files = Files and permissions
group_users = User and groups
group_udev = udev rules
group_devices = Devices
group_service = О!плати service
group_journal = Journal
group_log = Log
group_api = Daemon and API
group_versions = Versions

## Self-test

run_finished = The check came to an end
run_not_finished = did not end within { $seconds } s ({ $why })
run_check_disk_and_network = Check the till's disk and network: something does not answer

## Self-test: oplati.conf, profiles and files

settings_not_read = oplati.conf cannot be read
settings_file = The file oplati.conf
settings_mend_line = Mend the line that is named: oplati check prints what is allowed
settings_absent = absent, the defaults hold
settings_configure = Configure the module: dpkg-reconfigure artix-oplati
settings_mend_name = Mend the name in the line that is named
settings_reg_num = Registration number of the till
settings_not_set = not set
settings_put_reg_num = Put regNum into [Main] of oplati.conf and restart the daemon: systemctl restart oplati
settings_profiles = Device profiles
settings_mend_profile = Mend the profile in /etc/oplati/devices.d, or profile in oplati.conf
settings_template = Template of the report, oplat.xml
settings_restore_template = Bring the package's template back: apt-get install --reinstall artix-oplati
settings_logo = Logo
settings_mend_logo = Put a PNG there, or remove logo from oplati.conf
settings_rights = Rights of { $name }
settings_run_chown = Run: chown { $owner } { $path } && chmod u+rw { $path }
settings_secret_is_open = A file with a secret is open to others. Run: { $command }
settings_folder_closed = the user { $owner } cannot pass through the folder { $shown }
settings_run_chmod = Run: chmod o+x { $shown }
settings_token_is_open = The API's token is open to everybody. Run: { $command }
settings_not_seen = not to be seen by this user, run with sudo
settings_unreadable = cannot be read
settings_run = Run: { $command }
settings_disk_read_only = The disk is mounted read-only: check it (dmesg) and restart the till
settings_log = The log terminal.log
settings_log_no_file = There is no file in the log's place: move { $shown } away, the daemon makes the log
settings_log_not_writable = The daemon cannot write the log. Run: { $command }

## Self-test: users and udev

system_user = The daemon's user and groups
system_no_system = no system in this folder, only files
system_reinstall = Install the package again: apt-get install --reinstall artix-oplati
system_no_user = no user { $name }
system_no_device_group = no group { $name }: the daemon cannot have the devices
system_user_not_in_group = user { $name } is not in group { $name }: the daemon cannot have the devices
system_till_group = Group of till programs
system_no_till_group = no group { $name }
system_rules = udev rules are installed
system_run_install = Run: { $install }
system_no_rules = no { $name }
system_other_rules = not those that follow from the profiles
system_rules_have_effect = udev rules have an effect
system_run_reload = Run: { $reload }; then plug the device anew

## Self-test: devices

devices_daemon_is_closed = the daemon does not let this user, run with sudo
devices_daemon_is_silent = the daemon has them, but does not answer
devices_picture = The buyer's picture
devices_restart_daemon = Restart the daemon: systemctl restart oplati; if it happens again: oplati selftest --save, and to support
devices_picture_unreadable = the picture cannot be read
devices_picture_empty = the picture is empty
devices_code_unreadable = the code on the picture cannot be read
devices_code_was_read = { $shown }: a trial code was read
devices_code_has_no_room = a trial code has no room or cannot be read
devices_larger_picture = Give the picture in [Display] device a larger size

## Self-test: the payment service and the token

service_no_reg_num = regNum is not set
service_no_resources = the system has no resources
service_reached = The service answers
service_elapsed = { $url }: { $ms } ms
service_out_of_order = The service is out of order: wait and repeat, then call its support
service_other_answered = { $url }: what answered is not the О!плати service (HTTP { $status })
service_check_url_and_login = Check url in oplati.conf; if it is right, open it in the till's browser: the shop's router may ask for a login
service_slow = The answer is slow: check the till's connection to the internet
service_name = The service's name
service_slow_name = looked up for { $ms } ms: the first name server in /etc/resolv.conf, { $first }, does not answer in time
service_slow_name_remedy = Get that name server going, or put one first that answers: the till's network settings, then check /etc/resolv.conf
service_addresses = Addresses of the service
service_bad_address = { $address }: what stands there is not the О!плати service ({ $what }); the daemon goes on to the next address
service_bad_address_remedy = Tell О!плати support of this address; if /etc/hosts or the shop's name server names it, correct it there
service_name_not_found = the server's name is not found
service_name_not_found_remedy = Check url in oplati.conf and the till's DNS
service_not_connected = no connection
service_not_connected_remedy = Check cable and internet of the till, and url in oplati.conf
service_expired = the server's certificate has expired
service_expired_remedy = Check the till's date: timedatectl. If it is right, tell О!плати's support that the certificate has expired
service_not_yet_valid = the server's certificate is not valid yet: the till's clock is behind
service_not_yet_valid_remedy = Turn on time synchronisation: timedatectl set-ntp true
service_unknown_issuer = nobody known has signed the server's certificate
service_unknown_issuer_remedy = Update certificates: apt-get install --reinstall ca-certificates; check for a proxy in between
service_authority_itself = the server's certificate is an authority's own (CA:TRUE), which is no server's
service_authority_itself_remedy = Have that authority sign a certificate for the server, without CA:TRUE
service_other_name = the certificate is another server's
service_other_name_remedy = Check url in oplati.conf
service_no_tls = no secure connection
service_no_tls_remedy = Check url in oplati.conf and the shop's proxy
service_no_answer = the service gave no answer
service_no_answer_remedy = Check the till's internet and repeat
service_cached = the answer is old: it did not come from the service
service_cached_remedy = A cache or proxy on the way to the service answers with what it has kept: turn it off for the address in url (oplati.conf)
service_no_request = no request can be made
service_no_request_remedy = Install ca-certificates and check regNum and password in oplati.conf
service_certificate = Certificate of the service
service_without_tls = a connection without TLS
service_valid_until = valid until { $day }
service_certificate_ends = It ends soon: tell О!плати's support
service_clock = The till's clock
service_no_time = the service sent no time
service_clock_skew = { $seconds } s off the service
service_set_clock = Turn on time synchronisation: timedatectl set-ntp true; check date and time zone: timedatectl
service_token = Token
service_token_needed_remedy = If the token was reset, put token.conf aside and restart the daemon: { $put_aside }. If not, check regNum and the till's registration in the merchant's account
service_token_exists_remedy = Reset the token in the merchant's account and repeat the operation
service_token_no_place = there is no place for the token
service_token_no_place_remedy = Make room on the disk and check the folder's rights
service_token_password = the till works with a password
service_token_taken = there, and the service took it
service_token_other_answer = there, but the service answered HTTP { $status }
service_token_other_answer_remedy = Check url and regNum in oplati.conf, and the till's registration in the merchant's account
service_token_not_tried = there, the service was not asked
service_token_absent = not there yet: it comes with the first payment
service_token_hidden = only the daemon reads token.conf, run with sudo
service_token_damaged = token.conf is damaged: { $what }
service_token_damaged_remedy = Bring the file back from a copy, or leave the token alone on one line. If it is lost, reset it in the merchant's account, then run: { $put_aside }

## Self-test: journal, disk and queue

journal_whole = The journal is whole
journal_daemon_is_silent = the daemon does not answer
journal_daemon_writes = the daemon writes it, operations: { $count }
journal_empty = still empty
journal_operations = operations: { $count }
journal_too_large = { $mb } MB, the daemon looks at it when it starts
journal_damaged = { $error }
journal_run_with_sudo = run with sudo
journal_put_copy_and_start = Put a good copy of the journal in the place of { $path } and run systemctl start oplati. Without one start the daemon, which moves the journal into { $folder }; move that folder away, run systemctl restart oplati and check unfinished payments in the merchant's account
journal_restart_and_put_copy = Run systemctl restart oplati: the daemon moves the journal into { $folder }; then put a good copy in the place of { $path } and restart it once more
journal_put_copy_and_restart = Put a good copy of the journal in the place of { $path } and run systemctl restart oplati. Without one move { $folder } away and check unfinished payments in the merchant's account
journal_give_rights = Give the daemon its files back: chown oplati:oplati-till { $path }* && chmod 600 { $path }*, and if lsattr shows an i or an a: chattr -i -a { $path }*. It goes on by itself
journal_end_holder = End the program that holds the journal: fuser -v { $path }*. The daemon goes on by itself
journal_check_disk = Check the till's disk (df -h, dmesg), then run systemctl restart oplati
journal_room = Room on the disk
journal_not_seen = cannot be seen
journal_disk_fails = the disk fails
journal_free = { $mb } MB free
journal_make_room = Make room on the till's disk: df -h, du -xh / | sort -h
journal_quota = The daemon has no room though the disk has: raise the disk quota of the user oplati (quota -u oplati) or make room
journal_queue = Queue of cancellations
journal_queue_remedy = Bring the connection back; what waits: oplati queue
journal_queue_unknown = unknown: the daemon cannot use the journal
journal_queue_depth = waiting: { $depth }

## Self-test: the daemon and its API

api_daemon = The daemon answers
api_daemon_stopped = the daemon does not run
api_start_daemon = Start the daemon: systemctl start oplati; if it does not start: journalctl -u oplati -n 50
api_daemon_elsewhere = the daemon (process { $pid }) runs, but not here: it has other settings, or is just starting
api_restart_with_settings = After a change of oplati.conf restart the daemon: systemctl restart oplati
api_no_right = no right to use it
api_add_to_group = Add the user to the group: sudo usermod -aG oplati-till $USER, then log in again; or run with sudo
api_restart_daemon = Restart the daemon: { $restart }
api_sales = Sales are possible
api_sales_remedy = Put right what is named: the checks that failed say how
api_tcp = API over TCP
api_port_silent = The port does not answer: after a change of [Till] listen restart the daemon: systemctl restart oplati
api_version = Version of oplati
api_other_version = the daemon is { $other }, the command { $own }
api_old_daemon = The daemon is an old one: systemctl restart oplati
api_system = System

## Self-test: the trial with the payment service

trial_asks = One session will be opened with the service
trial_shows = Its QR is shown for 20 seconds, nothing is paid. Do not do this during a payment.{ "\u000A" }Begin? (yes/no)
# Typed by a person.
trial_yes = yes
trial_is_open = The session is open for 20 s; Ctrl-C ends it earlier
trial_no_token = there is no token yet, and the trial asks for none
trial_token_hidden = only the daemon reads token.conf
trial_no_request = { $what }
trial_get_token = Start the daemon, run oplati reconcile, and repeat: the token comes with the first contact
trial_run_with_sudo = Run with sudo: sudo oplati selftest --trial
trial_run_selftest = Run oplati selftest: it names what to mend
trial_title = Trial session
trial_seen = seen: { $what }
trial_not_seen = not seen: { $what }
trial_differs = differs: { $what }
trial_tell_developers = Send this line to the developers of oplati
trial_token_accepted = The token is accepted
trial_password_accepted = The password is accepted
trial_session_opened = a session was opened
trial_check_token = Check token and registration of the till in the merchant's account
trial_service_not_reached = the service cannot be reached ({ $detail })
trial_session_not_opened = no session was opened ({ $detail })
trial_session_id = sessionId is an integer
trial_scheme = The text of the QR is o-plati://…
trial_consumer_status = consumerStatus answers
trial_no_session = there is no session
trial_no_address = no address
trial_buyer_joined = a buyer joined
trial_nobody_joined = nobody joined
trial_answers_and_failure = { $answers } answers, then { $detail }
trial_stopped = it was stopped before
trial_watched = { $answers } answers, { $came }
trial_unknown_payment = An unknown payment is refused
trial_report = Today's report is an array
trial_rows = { $rows } rows
trial_not_found = HTTP 404, there are no operations today
trial_report_rows = The rows of a report are read
trial_rows_unreadable = { $unreadable } of { $rows } are not
trial_rows_all = all { $rows }
trial_rows_none = there are none
trial_empty_report = An empty shift is an empty array or 404
trial_empty_array = an empty array
trial_rows_tomorrow = tomorrow's shift has { $rows } rows

## Test of a device

device_test_stopped = The test was stopped
device_test_left = Nobody reads: the test has ended
device_test_done = The test has ended
device_test_no_remarks = No remarks
device_test_read_code = Read the code on { $display } with { $scanner }: { $next } of { $of }
device_test_last = { $read }. Last: { $fault }
device_test_type_digits = Type the digits that { $display } shows

## Test of a device: its state

checks_firmware = firmware
checks_interactive = Test with a person
checks_no_permission = no permission
checks_no_permission_remedy = Run: { $known }. If the rights do not come (a USB bridge, an unknown scanner): oplati devices bind { $node } scanner
checks_dark = the screen is dark
checks_dark_remedy = Turn the session's screen saver and power saving off: xset s off -dpms
checks_setting = Setting and profile
checks_spoilt = since it was connected { $scans } read, { $discarded } spoilt
checks_spoilt_remedy = Check cable, line speed and profile of the scanner: oplati selftest --interactive
checks_unproven = codes that no decoder read: { $unproven }
checks_unproven_remedy = A larger display is needed: the code is too small on this one
checks_scanner = Scanner is connected
checks_display = Display is connected
checks_works = { $node }: works
checks_none = none is plugged in
checks_missing = not there
checks_busy = another program has it
checks_covered = another window covers it
checks_covered_remedy = Close the program whose window stays above the buyer's window, or move it off that monitor
checks_wrong_mode = the scanner is in the wrong mode
checks_wrong_mode_remedy = Read the code "USB-COM" or "HID POS" of the scanner's manual; what is plugged in and what to write into oplati.conf: oplati devices
checks_failed = out of order
checks_failed_remedy = Turn the device off and on; if that does not help: oplati devices, and terminal.log
checks_open_page = Open this till's page /display in the browser of the buyer's display; its address is [Till] listen of oplati.conf
checks_open_window = Run in the cashier's desktop session: oplati display --window
checks_scanner_missing_remedy = Check the cable; if it is plugged in, put the path that oplati devices prints into [Scanner] device
checks_display_missing_remedy = Check cable and power of the display, and the path in [Display] device
checks_stop_holder = Stop the program { $holder }: the daemon needs the device alone
checks_stop_unknown_holder = Stop the program that has the device: sudo oplati devices names it
checks_interactive_not_done = not done: oplati selftest --interactive

## Test of a device: what a person read

findings_no_terminator = the scanner sends no terminator; { $codes } times
findings_reads = { $scanner } reads from { $display }
findings_shows = { $display } shows
findings_times = { $says }; { $count } of { $of }
findings_repeat_to_end = Do the test again, to its end
findings_nothing_read = nothing was read, the speed is not known
findings_not_to_end = not to its end: { $read } of { $of } read, { $good } without fault
findings_none_without_fault = none of { $of } codes was read without fault, the speed is not known
findings_speed = { $good } of { $of } without fault, usually in { $middle } ms, up to { $longest } characters
findings_person_read_right = a person read what is shown
findings_nobody_typed = nobody typed the digits
findings_type_digits = Do the test again and type the digits of the display
findings_person_read_other = a person read something else
findings_check_profile = Check the display's profile in oplati.conf: oplati devices profiles

## Test of a device: what is wrong with a scanner

diagnosis_code_page = Cyrillic of another code page: sent in { $sent }, read as { $read }
diagnosis_code_page_remedy = Read the code "UTF-8" of the scanner's manual
diagnosis_exact = the code came back byte for byte
diagnosis_nothing = nothing came
diagnosis_nothing_remedy = Point the scanner at the code on the display; if it stays silent, check its cable and mode: oplati devices
diagnosis_russian_layout = letters of the Russian layout for Latin ones
diagnosis_russian_layout_remedy = Read the code "USA keyboard" of the scanner's manual and remove layout = ru from oplati.conf
diagnosis_us_layout = Latin letters for Russian ones: the US layout
diagnosis_us_layout_remedy = Put layout = ru into [Scanner] of oplati.conf if the scanner types with Russian keys
diagnosis_caps_lock = capitals and small letters are swapped: Caps Lock is on
diagnosis_caps_lock_remedy = Turn Caps Lock off: read the code "Caps Lock off" of the scanner's manual
diagnosis_case = all letters in one case: the scanner converts it
diagnosis_case_remedy = Read the code "No case conversion" of the scanner's manual
diagnosis_glued = two codes came as one: the scanner sends no terminator
diagnosis_glued_remedy = Read the code "Add suffix CR" (Enter) of the scanner's manual
diagnosis_cyrillic_lost = Cyrillic letters are lost, the rest is right
diagnosis_cyrillic_lost_remedy = No harm for О!плати's codes; for Cyrillic put the scanner into USB-COM or HID POS mode
diagnosis_aim = an AIM identifier stands in front
diagnosis_aim_remedy = Read the code "AIM ID off" of the scanner's manual
diagnosis_split = one code came in { $parts } parts
diagnosis_split_remedy = Read the code of the scanner's factory settings; of a keyboard scanner, "inter-character delay 0"
diagnosis_prefix = { $length } characters stand in front
diagnosis_prefix_remedy = Read the code "Clear prefix" of the scanner's manual
diagnosis_suffix = { $length } characters stand behind
diagnosis_suffix_remedy = Read the codes "Clear suffix", then "Add suffix CR" of the scanner's manual
diagnosis_truncated = the code is cut after { $length } characters
diagnosis_truncated_remedy = Remove the limit of length: read the code of the scanner's factory settings
diagnosis_swallowed = { $count } characters are lost
diagnosis_swallowed_remedy = Plug the scanner in without a hub; of a keyboard scanner read "inter-character delay 5 ms"
diagnosis_doubled = { $count } characters came twice
diagnosis_doubled_remedy = Check whether another program reads the scanner too, and read the code of its factory settings
diagnosis_other = another code was read
diagnosis_other_remedy = Read the code on the display and no other

## Why a profile is taken for a device

why_generic_bridge = vid:pid of a generic bridge, name it in oplati.conf
why_usage = HID usage 8C:02 (barcode scanner)
why_vendor_usage = vendor and HID usage 8C:02
why_pattern = vid:pid by the maker's pattern; name a keyboard in oplati.conf
why_exact = vid:pid exact

## Command line: headings of tables

heading_section = section
heading_key = key
heading_value = value
heading_origin = origin
heading_node = node
heading_device = device
heading_kind = kind
heading_profile = profile
heading_why = why
heading_access = access
heading_holder = held by
heading_setting = in oplati.conf
heading_status = status
heading_note = note
heading_name = name
heading_state = state
heading_since_connected = since
heading_scans = scans
heading_discarded = discarded
heading_unended = unended
heading_frames = frames
heading_reconnects = reconnects
heading_last_error = last error
heading_time = time
heading_operation = operation
heading_amount = amount
heading_message = message
heading_undoing = undoing
heading_of = of
heading_since = since
heading_tries = tries
heading_next_try = next try
heading_reason = last error
heading_till = till
heading_service = service
heading_difference = difference
heading_payment = payment

## Command line: kinds of operations

kind_sale = sale
kind_refund = refund
kind_cancel = cancel
kind_cancel_refund = cancel refund
kind_annul = annul
kind_card = card

## Command line: states of operations

state_new = begun
state_in_progress = under way
state_awaiting_scan = waits for the scanner
state_awaiting_buyer = waits for the buyer
state_awaiting_confirmation = waits for the confirmation
state_in_doubt = in doubt, being looked up
state_queued = waits for the connection
state_done = done
state_declined = declined by the buyer
state_not_enough_money = not enough money
state_expired = time is up
state_cancelled = cancelled
state_failed = failed

## Command line: requests to the payment service

request_open = open a payment session
request_session = has the buyer come
request_pay = take the money
request_payment = is the payment confirmed
request_reverse = give the money back
request_report = look up in the report
request_probe = is the service there

## Command line: how a request ended

answer_ok = answered
answer_refused = refused
answer_not_sent = not sent, no connection
answer_lost = no answer
answer_token = token not accepted

## Command line: what the display shows

scene_idle = idle
scene_scan_me = "show your code"
scene_qr = QR code of a payment
scene_card_qr = QR code for the card
scene_code = code of a payment
scene_card_code = code for the card
scene_please_confirm = "please confirm"
scene_checking = "checking"
scene_paid = "paid"
scene_declined = "declined"
scene_not_enough_money = "not enough money"
scene_time_is_up = "time is up"
scene_cancelled = "cancelled"
scene_refunded = "refunded"
scene_card_found = "card found"
scene_not_completed = "not completed"
scene_no_connection = "no connection"

## Command line: health

health_ok = all is well
health_degraded = works, with remarks
health_blocked = sales are impossible

## Command line: states of devices

device_connected = connected
device_missing = missing
device_busy = busy
device_wrong_mode = wrong mode
device_failed = failed
device_none = none
device_covered = covered by another window

## oplati watch: what a line is about

about_request = request
about_scene = screen
about_scan = scan
about_queue = queue
about_daemon = daemon

## oplati watch: lines

view_more_of_the_same = … { $more } more of the same, { $least }–{ $most } ms
view_events_missed = some events were missed, look with: oplati operations
view_after = after
view_ms = ms
view_undo_pending = , undo pending
view_undo_done = , undone
view_undo_set_aside = , undo waits for a person
view_nobody_waited = nobody waited
view_test = test
view_reverses = reverses
view_waits_for_person = { "  " }waits for a person

## oplati watch and scan

watch_begins = Events as they come; stop with Ctrl-C
watch_lost = The connection to the daemon is lost, waiting for it…
watch_missed = Events missed: { $count }
watch_restarted = Connected again: the daemon was restarted; what was before its start ({ $seconds } s) is not seen: oplati operations
watch_back = Connected again; requests and screens of { $seconds } s are not seen, events follow
watch_code_taken = The code was taken by
watch_code_not_taken = Nobody waited for a code

## Command line: the daemon

till_not_running_or_elsewhere = The daemon does not run (systemctl start oplati), or listens at another socket: only root and the daemon may read oplati.conf; if it names a [Till] socket, run this as root
till_not_running = The daemon does not run: systemctl start oplati
till_elsewhere = The daemon (process { $pid }) runs with other settings, or is just starting: after a change of oplati.conf run systemctl restart oplati
till_no_permission = Add the user to group oplati-till

## oplati check

check_read_from = Read from
check_no_file = No such file, the defaults hold:
check_no_reg_num = regNum is not set: payments are refused until it is
check_no_time_zone = oplati: this machine has no time zone data, log and reports tell the time in UTC: apt-get install tzdata

## oplati configure

configure_allowed = allowed
configure_written_and_closed = written; it holds the password, so that other users may not read it any more; holds once the service is restarted
configure_written = written; holds once the service is restarted
configure_unchanged = is so already

## oplati display

display_no_window_program = The buyer's window is a program of its own, in the package artix-oplati beside oplati; out of the source it comes by: cargo build --release --features window
display_no_desktop = Run it in the cashier's session, as the cashier: a window needs X11 (DISPLAY) or Wayland (WAYLAND_DISPLAY)

## oplati devices

list_nothing = nothing is plugged in
list_daemon = { "\u000A" }The daemon:
list_no_devices = { "\u000A" }oplati.conf names no devices
list_daemon_is_silent = { "\u000A" }The daemon does not answer
list_access = yes
list_no_access = no right
list_display = display
list_scanner = scanner
list_built_in = built in
list_tested = tested
list_reported = reported
list_untested = untested
list_rule_next = Put the line into /etc/udev/rules.d/61-oplati-{ $id }.rules, run udevadm control --reload and udevadm trigger, and set in oplati.conf: device = { $word }:{ $path }

## Modes of a scanner, in Russian in the genitive

mode_serial = serial
mode_hid = hid
mode_keyboard = keyboard

## oplati devices identify

identify_nothing_new = Nothing new was plugged in: check the scanner's cable and power
identify_read_code = Read this code with the scanner
identify_no_code = The code did not come. Another program has the scanner, it is off, or set to an unusual speed
identify_known = It has a profile already: { $id }
identify_unplug = Unplug the scanner and press Enter
identify_plug = Plug the scanner in
identify_no_profile = no profile
identify_other_speed = Another speed of the port is tried, read the code again
identify_other_code = Another code was read, or it is garbled
identify_written = Profile written:

## Command line: an operation that is waited for

follow_begun = If the operation has begun: look with oplati operations, stop it with oplati abort
follow_contact_lost = Contact with the daemon was lost. How the operation ended: oplati operations
follow_seconds = s
follow_aborting = Aborting…
follow_abort_not_confirmed = The abort is not confirmed; repeat it with: oplati abort
follow_abort_goes_on = The abort goes on; look with: oplati operations
follow_nothing_refunded = Nothing was refunded
follow_refund_goes_on = The refund goes on without you: oplati operations
follow_nothing_cancelled = Nothing was cancelled
follow_cancellation_goes_on = The cancellation goes on without you: oplati operations
follow_refund_in_doubt = Do not refund once more: the program finds out what happened. Look with: oplati operations

## oplati open

open_link = Open the link in a browser on this till: it works once, within a minute

## oplati operations and queue

operations_more = More:
operations_unfinished = There are unfinished operations: the daemon finds out about them once it is started
operations_queue_empty = The queue is empty
operations_waits_for_person = waits for a person

## Command line: codes on a terminal

output_no_place_for_qr = The QR code has no place on this terminal: it needs UTF-8, and as many columns as

## oplati refund

refund_again = To refund as much once more: --again

## oplati report and reconcile

report_no_differences = { "\u000A" }No differences
report_more_differences = more differences:
report_sales = sales
report_refunds = refunds
report_cancellations = cancellations
report_cancelled_refunds = cancelled refunds
report_net = net

## oplati selftest

selftest_saved = Saved
selftest_ok = [  ok  ]
selftest_warn = [ warn ]
selftest_fail = [ FAIL ]
selftest_sum = Passed: { $passed }, warnings: { $warned }, failed: { $failed }, skipped: { $skipped }; { $ms } ms

## oplati selftest --interactive

interactive_daemon_is_closed = the daemon does not let this user
interactive_run_with_sudo = Run with sudo: sudo oplati selftest --interactive
interactive_daemon_is_silent = the daemon has the devices and does not answer
interactive_restart_daemon = Restart the daemon: systemctl restart oplati
interactive_no_display = no display is connected to show a code
interactive_no_display_remedy = Connect a display and name it in [Display] device of oplati.conf
interactive_no_scanner = no scanner is connected to read codes
interactive_no_scanner_remedy = Connect a scanner and name it in [Scanner] device of oplati.conf
interactive_stop_unanswered = the daemon did not answer when the test was stopped
interactive_stop_unanswered_remedy = The code leaves the display by itself in a minute and a half

## oplati selftest without the daemon

offline_mend_settings = Mend oplati.conf: oplati check
