#!/usr/bin/env bash
# examples/12-saga/run.sh: a trip that is booked, one that is refused, and one that waits in vain, across a SIGKILL.
. "$(dirname "$0")/../node.sh"
plugin=(--plugin "$PDR_BUILD/lib/trip.so")
start_node "${plugin[@]}"

until_free() { # FLIGHTS HOTELS CARS: what is given back is on its way
    until [[ $(perdure call stock/flights free) == "$1" ]]; do sleep 0.02; done
    until [[ $(perdure call stock/hotels free) == "$2" ]]; do sleep 0.02; done
    until [[ $(perdure call stock/cars free) == "$3" ]]; do sleep 0.02; done
    echo "$1 flights, $2 hotels, $3 cars"
}

for stock in flights hotels; do perdure call "stock/$stock" fill 3 >/dev/null; done
perdure call stock/cars fill 1 >/dev/null

perdure call trip/ada book
perdure watch trip/ada --after 0 --count 1
until_free 2 2 0

# There is no car left. Flight and room were booked, and are given back.
perdure call trip/bob book
perdure watch trip/bob --after 0 --count 1
until_free 2 2 0

# A car comes back, but nobody is at the desk. The trip waits for an answer, a second at most, and the node is killed.
perdure call stock/cars fill 1 >/dev/null
perdure call stock/cars away 1 >/dev/null
perdure call trip/cyd book 1000
until [[ $(perdure call stock/cars requests) == 1 ]]; do sleep 0.02; done
end_node KILL
echo "killed"

# Its patience is a reminder: it ends all the same, and the trip gives back what it had.
start_node "${plugin[@]}"
perdure watch trip/cyd --after 0 --count 1
until_free 2 2 1

# Now somebody is at the desk, finds the request, and reserves a car for a trip that is over: it is given back as well.
perdure call stock/cars away 0 >/dev/null
until_free 2 2 1
perdure call trip/cyd book

end_node TERM
