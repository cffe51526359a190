/* examples/10-chat-room/room.c: a chat room, room/NAME, that knows who is there.
 *
 * What is said is kept: an event on stable storage, of which the newest are there for who comes later. Who is there is
 * not: people say so again and again, and who has not for a while is gone. So `here` is volatile and costs no disk, and
 * after a crash the room is empty until those who are there say so: which is the truth sooner than any record is.
 *
 * A room has no clock. A timer sweeps it twice a second, and counts for each how often they were not heard of. */
#include <perdure/actor.h>

#define SWEEP_MS 500
#define UNHEARD_MAX 5 /* then they are gone */
#define PEOPLE_MAX 64
#define NAME_BYTES_MAX 32

struct person {
    char name[NAME_BYTES_MAX];
    size_t size;
    unsigned unheard; /* sweeps since they were heard of */
};

struct room {
    struct person people[PEOPLE_MAX];
    unsigned count;
};

static struct pdr_bytes name_of(const struct person *person)
{
    return pdr_bytes(person->name, person->size);
}

static struct person *find(struct room *room, struct pdr_bytes name)
{
    for (unsigned i = 0; i < room->count; i++) {
        if (pdr_bytes_equal(name_of(&room->people[i]), name)) {
            return &room->people[i];
        }
    }
    return NULL;
}

/* {"NAME": what} */
static int emit(pdr_turn *turn, struct pdr_bytes name, pdr_value what)
{
    pdr_writer event;
    pdr_writer_init(&event, NULL, 0, 0);
    pdr_write_map(&event, 1);
    pdr_write_str(&event, name);
    pdr_write_value(&event, what);
    int status = pdr_emit(turn, pdr_written(&event));
    pdr_writer_release(&event);
    return status;
}

/* {"NAME": true} when they come, {"NAME": false} when they are gone. */
static int emit_presence(pdr_turn *turn, struct pdr_bytes name, bool is_there)
{
    return emit(turn, name, pdr_bytes(is_there ? "\xc3" : "\xc2", 1));
}

static int let_go(pdr_turn *turn, struct room *room, struct person *person)
{
    struct person gone = *person;
    *person = room->people[--room->count];
    int status = room->count > 0 ? PDR_OK : pdr_timer_cancel(turn, "sweep"); /* an empty room may be put to sleep */
    return status == PDR_OK ? emit_presence(turn, name_of(&gone), false) : status;
}

/* [here] */
/* here [name]: of whoever is there, well within UNHEARD_MAX times SWEEP_MS. */
static int here(pdr_turn *turn, const pdr_args *args)
{
    struct room *room = pdr_memory(turn);
    struct pdr_bytes none = {NULL, 0}, name = pdr_arg_bytes(args, 0, none);
    struct person *person = find(room, name);
    if (person != NULL) {
        person->unheard = 0;
        return PDR_OK;
    }
    if (name.size == 0 || name.size > NAME_BYTES_MAX) {
        return pdr_fail(turn, "bad_name", "a name has 1 to %d bytes", NAME_BYTES_MAX);
    }
    if (room->count == PEOPLE_MAX) {
        return pdr_fail(turn, "full", "a room has at most %d people", PEOPLE_MAX);
    }
    person = &room->people[room->count++];
    memcpy(person->name, name.data, name.size);
    person->size = name.size;
    person->unheard = 0;
    int status = pdr_timer_set(turn, "sweep", SWEEP_MS, SWEEP_MS, "sweep", none);
    return status == PDR_OK ? emit_presence(turn, name, true) : status;
}

static int sweep(pdr_turn *turn, const pdr_args *args)
{
    struct room *room = pdr_memory(turn);
    int status = PDR_OK;
    for (unsigned i = room->count; i-- > 0 && status == PDR_OK;) { /* from behind: who goes is replaced by the last */
        if (++room->people[i].unheard > UNHEARD_MAX) {
            status = let_go(turn, room, &room->people[i]);
        }
    }
    return status;
}
/* [/here] */

/* leave [name]: in good order, without the wait. */
static int leave(pdr_turn *turn, const pdr_args *args)
{
    struct room *room = pdr_memory(turn);
    struct pdr_bytes none = {NULL, 0};
    struct person *person = find(room, pdr_arg_bytes(args, 0, none));
    return person == NULL ? PDR_OK : let_go(turn, room, person);
}

/* say [name, text] -> nil; then it is on disk. */
static int say(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, name = pdr_arg_bytes(args, 0, none);
    return emit(turn, name, pdr_arg(args, 1));
}

/* who -> [name, ...] */
static int who(pdr_turn *turn, const pdr_args *args)
{
    const struct room *room = pdr_memory(turn);
    pdr_writer names;
    pdr_writer_init(&names, NULL, 0, 0);
    pdr_write_array(&names, room->count);
    for (unsigned i = 0; i < room->count; i++) {
        pdr_write_str(&names, name_of(&room->people[i]));
    }
    int status = pdr_reply(turn, pdr_written(&names));
    pdr_writer_release(&names);
    return status;
}

PDR_ACTOR_WITH(room, sizeof(struct room), NULL, NULL, PDR_DURABILITY_DEFAULT,
               PDR_METHOD_AS("here", here, PDR_DURABILITY_VOLATILE),
               PDR_METHOD_AS("sweep", sweep, PDR_DURABILITY_VOLATILE),
               PDR_METHOD_AS("leave", leave, PDR_DURABILITY_VOLATILE), PDR_METHOD("say", say), PDR_READER("who", who))
PDR_PLUGIN("room", "1.0", &pdr_type_room)
