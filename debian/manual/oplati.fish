# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_oplati_global_optspecs
    string join \n root= json h/help V/version
end

function __fish_oplati_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_oplati_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_oplati_using_subcommand
    set -l cmd (__fish_oplati_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c oplati -n "__fish_oplati_needs_command" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_needs_command" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_needs_command" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_needs_command" -s V -l version -d 'Print version'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "daemon" -d 'Run the service'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "demo" -d 'See a buyer pay in each mode, without hardware or account'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "check" -d 'Check the configuration and print every setting with its origin'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "configure" -d 'Change settings of oplati.conf and leave all else in it as it is'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "sale" -d 'Take a payment and wait for its end'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "refund" -d 'Give money of a sale back, and wait for its end'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "cancel" -d 'Undo a sale or a refund'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "annul" -d 'Undo a sale whose receipt was closed'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "card" -d 'Find the buyer\'s loyalty card'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "abort" -d 'Stop waiting for the buyer of an operation'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "open" -d 'Print a link to the technician\'s page that works once within a minute'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "reconcile" -d 'Compare a shift with the service\'s report'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "report" -d 'Print the report of a shift as a till prints it'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "operations" -d 'List operations, newest first'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "queue" -d 'Show what waits in the queue; try or close an entry'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "watch" -d 'Print operations, scans, devices and health as they change'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "scan" -d 'Hand in a code, or without TEXT print scans as they come'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "devices" -d 'What is plugged in; find out about an unknown scanner; udev rules'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "selftest" -d 'What works at this till, what does not, and what to do'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "display" -d 'Save what the buyer sees, or draw a QR code or text into a picture; show the buyer\'s window'
complete -c oplati -n "__fish_oplati_needs_command" -f -a "sim" -d 'Run the simulated payment service'
complete -c oplati -n "__fish_oplati_using_subcommand daemon" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand daemon" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand daemon" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand demo" -l listen -d 'Address of the page, 127.0.0.1:8017 if not given; port 0 picks one' -r
complete -c oplati -n "__fish_oplati_using_subcommand demo" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand demo" -l once -d 'Play one sale in each mode on the terminal and check that all ended well'
complete -c oplati -n "__fish_oplati_using_subcommand demo" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand demo" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand check" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand check" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand check" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand configure" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand configure" -l try -d 'Write nothing, only say whether the values are allowed'
complete -c oplati -n "__fish_oplati_using_subcommand configure" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand configure" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand sale" -l mode -d '0 scan the buyer\'s QR, 1 static QR with a code, 2 dynamic QR; else as configured' -r
complete -c oplati -n "__fish_oplati_using_subcommand sale" -l id -d 'The operation\'s identifier; else a new one' -r
complete -c oplati -n "__fish_oplati_using_subcommand sale" -l receipt -d 'Receipt number; else the identifier' -r
complete -c oplati -n "__fish_oplati_using_subcommand sale" -l name -d 'What is sold' -r
complete -c oplati -n "__fish_oplati_using_subcommand sale" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand sale" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand sale" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand refund" -l id -d 'The refund\'s identifier; else a new one' -r
complete -c oplati -n "__fish_oplati_using_subcommand refund" -l receipt -d 'Receipt number; else the identifier' -r
complete -c oplati -n "__fish_oplati_using_subcommand refund" -l name -d 'What comes back' -r
complete -c oplati -n "__fish_oplati_using_subcommand refund" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand refund" -l again -d 'Also when the same sum of the same sale was refunded within the hour'
complete -c oplati -n "__fish_oplati_using_subcommand refund" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand refund" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand cancel" -l id -d 'The cancellation\'s identifier; else a new one' -r
complete -c oplati -n "__fish_oplati_using_subcommand cancel" -l shift -d 'The till\'s shift in which the money goes back; else the till\'s present one' -r
complete -c oplati -n "__fish_oplati_using_subcommand cancel" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand cancel" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand cancel" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand annul" -l id -d 'The cancellation\'s identifier; else a new one' -r
complete -c oplati -n "__fish_oplati_using_subcommand annul" -l shift -d 'The till\'s shift in which the money goes back; else the till\'s present one' -r
complete -c oplati -n "__fish_oplati_using_subcommand annul" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand annul" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand annul" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand card" -l id -d 'The operation\'s identifier; else a new one' -r
complete -c oplati -n "__fish_oplati_using_subcommand card" -l valutcode -d 'The payment type\'s number in the till; else as configured, else 1' -r
complete -c oplati -n "__fish_oplati_using_subcommand card" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand card" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand card" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand abort" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand abort" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand abort" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand open" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand open" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand open" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand reconcile" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand reconcile" -l yesterday -d 'The shift of yesterday in Belarus'
complete -c oplati -n "__fish_oplati_using_subcommand reconcile" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand reconcile" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand report" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand report" -l yesterday -d 'The shift of yesterday in Belarus'
complete -c oplati -n "__fish_oplati_using_subcommand report" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand report" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand operations" -l shift -d 'Only of this shift, such as 24112026' -r
complete -c oplati -n "__fish_oplati_using_subcommand operations" -l state -d 'Only in this state, such as done' -r
complete -c oplati -n "__fish_oplati_using_subcommand operations" -l limit -d 'How many' -r
complete -c oplati -n "__fish_oplati_using_subcommand operations" -l before -d 'Only older than this operation' -r
complete -c oplati -n "__fish_oplati_using_subcommand operations" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand operations" -l all -d 'All of them, page by page'
complete -c oplati -n "__fish_oplati_using_subcommand operations" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand operations" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand queue; and not __fish_seen_subcommand_from retry settle" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand queue; and not __fish_seen_subcommand_from retry settle" -l offline -d 'Read the journal itself, while the daemon does not run; exit code 75 when something waits'
complete -c oplati -n "__fish_oplati_using_subcommand queue; and not __fish_seen_subcommand_from retry settle" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand queue; and not __fish_seen_subcommand_from retry settle" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand queue; and not __fish_seen_subcommand_from retry settle" -f -a "retry" -d 'Try an entry now'
complete -c oplati -n "__fish_oplati_using_subcommand queue; and not __fish_seen_subcommand_from retry settle" -f -a "settle" -d 'Close a set-aside entry by hand'
complete -c oplati -n "__fish_oplati_using_subcommand queue; and __fish_seen_subcommand_from retry" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand queue; and __fish_seen_subcommand_from retry" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand queue; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand queue; and __fish_seen_subcommand_from settle" -l outcome -d 'What has happened, as the merchant\'s account shows it' -r -f -a "carried_out\t'The money went back, or there was nothing to bring back'
not_carried_out\t'It did not go back'"
complete -c oplati -n "__fish_oplati_using_subcommand queue; and __fish_seen_subcommand_from settle" -l reason -d 'Why, for the journal' -r
complete -c oplati -n "__fish_oplati_using_subcommand queue; and __fish_seen_subcommand_from settle" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand queue; and __fish_seen_subcommand_from settle" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand queue; and __fish_seen_subcommand_from settle" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c oplati -n "__fish_oplati_using_subcommand watch" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand watch" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand watch" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand scan" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand scan" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand scan" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and not __fish_seen_subcommand_from list identify bind profiles udev-rules" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand devices; and not __fish_seen_subcommand_from list identify bind profiles udev-rules" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and not __fish_seen_subcommand_from list identify bind profiles udev-rules" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and not __fish_seen_subcommand_from list identify bind profiles udev-rules" -f -a "list" -d 'What is plugged in, which profile fits and why, who has it'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and not __fish_seen_subcommand_from list identify bind profiles udev-rules" -f -a "identify" -d 'Find an unknown scanner, read a test code with it, and write a profile for it'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and not __fish_seen_subcommand_from list identify bind profiles udev-rules" -f -a "bind" -d 'Print a udev rule that names whatever is plugged into a port'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and not __fish_seen_subcommand_from list identify bind profiles udev-rules" -f -a "profiles" -d 'All profiles, with what a technician should know'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and not __fish_seen_subcommand_from list identify bind profiles udev-rules" -f -a "udev-rules" -d 'Print the udev rules of all profiles'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from list" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from list" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from identify" -l node -d 'The scanner\'s node, instead of unplugging and plugging it' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from identify" -l id -d 'The profile\'s id; made from what the device says of itself if not given' -r
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from identify" -l wait -d 'How long each wait for a person may take, seconds' -r
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from identify" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from identify" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from identify" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from bind" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from bind" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from bind" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from profiles" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from profiles" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from profiles" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from udev-rules" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from udev-rules" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand devices; and __fish_seen_subcommand_from udev-rules" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand selftest" -l scans -d 'Readings in a row of each scanner' -r
complete -c oplati -n "__fish_oplati_using_subcommand selftest" -l save -d 'Write everything that support asks for into FILE, a tar archive without any secret' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand selftest" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand selftest" -l interactive -d 'Also show codes on every display, to be read with every scanner'
complete -c oplati -n "__fish_oplati_using_subcommand selftest" -l trial -d 'Instead of the checks: open one session with the service, pay nothing, and print which assumptions about its protocol hold; asks first'
complete -c oplati -n "__fish_oplati_using_subcommand selftest" -l yes -d 'Do not ask before the trial'
complete -c oplati -n "__fish_oplati_using_subcommand selftest" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand selftest" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand display" -l save -d 'The picture' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand display" -l size -d 'Pixels, for a scene that is drawn' -r
complete -c oplati -n "__fish_oplati_using_subcommand display" -l amount -d 'Roubles, such as 12.34, for scenes with an amount' -r
complete -c oplati -n "__fish_oplati_using_subcommand display" -l window -d 'Show the buyer\'s picture full-screen on a monitor of this desktop session, by its name; without OUTPUT on the second one, if there is one' -r
complete -c oplati -n "__fish_oplati_using_subcommand display" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand display" -l autostart -d 'As the session starts it: ends at once where oplati.conf names no window, waits for the monitor, and never covers the only one'
complete -c oplati -n "__fish_oplati_using_subcommand display" -l clear -d 'Take what stands on the displays of oplati.conf away, while the daemon does not run: after it was killed, a buyer\'s code may have stayed there'
complete -c oplati -n "__fish_oplati_using_subcommand display" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand display" -s h -l help -d 'Print help'
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l listen -d 'Where; port 0 picks one' -r
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l buyer -d 'A buyer who acts by himself: join=300ms,confirm=500ms,outcome=done' -r
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l life -d 'How long a session waits for its buyer: 60, 60s or 300ms' -r
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l answer -d 'When a payment is answered' -r -f -a "pending\t'At once, with status 0: the till asks for the end'
final\t'At once, with a final status: the buyer decides in the same moment, as the script says'
held\t'When the buyer has decided, with the final status, as recorded'"
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l session-ids -d 'What a session\'s id is in JSON' -r -f -a "integer\t'An integer, as recorded'
string\t'A text'"
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l poll-payment -d 'Closer questions for one payment are violations; 0 for none' -r
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l poll-session -d 'Closer questions for one session are violations; 0 for none' -r
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l root -d 'Root of all files' -r -F
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l unique-numbers -d 'Refuse an order number that was used before'
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l rate-limit -d 'Answer violations with 429 and Retry-After'
complete -c oplati -n "__fish_oplati_using_subcommand sim" -l json -d 'Results as JSON, for programs'
complete -c oplati -n "__fish_oplati_using_subcommand sim" -s h -l help -d 'Print help (see more with \'--help\')'
