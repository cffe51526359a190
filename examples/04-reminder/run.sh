#!/usr/bin/env bash
# examples/04-reminder/run.sh: a reminder that is set before a SIGKILL and comes after it.
. "$(dirname "$0")/../node.sh"
start_node --plugin "$PDR_BUILD/lib/nudge.so"

perdure call nudge/me in 300 "tea is ready"
perdure call nudge/me count
end_node KILL
echo "killed"

start_node --plugin "$PDR_BUILD/lib/nudge.so"
until [[ $(perdure call nudge/me count) == 1 ]]; do sleep 0.05; done
perdure call nudge/me last

# By the calendar, until it is stopped.
perdure call nudge/me every "0 9 * * mon-fri"
perdure call nudge/me every "0 25 * * *" 2>&1 || echo "exit status $?"
perdure call nudge/me stop

end_node TERM
