/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of the flow table: who opens, confirms, removes, evicts, moves and reads. README.md says what is in here
 * and what is not; `check` runs it.
 *
 * One scenario (-DPAIRS, -DREAD, ...) says which processes run and which keys compete for what; one mutant at most
 * (-DWITHOUT_LOCK, ...) takes a rule away.
 */
#include "scenarios.h"
#include "table.pml"

#if defined(FREED_SLOT_IS_VICTIM)
#define MAY_GO(s, own) (!established[s] && key[s] != own)
#elif defined(ESTABLISHED_IS_VICTIM)
#define MAY_GO(s, own) (key[s] != 0 && key[s] != own)
#elif defined(OWN_REPLY_IS_VICTIM)
#define MAY_GO(s, own) (key[s] != 0 && !established[s])
#else
#define MAY_GO(s, own) (key[s] != 0 && !established[s] && key[s] != own)
#endif

/* Ages are not modelled: any half-open flow may be the oldest. Not the one being opened, whose reply is `own`. */
inline choose_victim(k, block, own, out) {
    if
    :: MAY_GO(SLOT(block, first_group[k], 0), own) -> out = SLOT(block, first_group[k], 0)
    :: MAY_GO(SLOT(block, first_group[k], GROUP_SLOTS - 1), own) -> out = SLOT(block, first_group[k], GROUP_SLOTS - 1)
    :: MAY_GO(SLOT(block, second_group[k], 0), own) -> out = SLOT(block, second_group[k], 0)
    :: MAY_GO(SLOT(block, second_group[k], GROUP_SLOTS - 1), own) -> out = SLOT(block, second_group[k], GROUP_SLOTS - 1)
    :: else -> out = NONE
    fi
}

inline forget(flow) {
    assert((live >> (flow)) & 1); /* removed twice */
    live = live & ~(1 << (flow));
    confirmed = confirmed & ~(1 << (flow))
}

/* A partner in another block is not touched under this hold: the flow is left in `outside`. */
inline evict(k, block, sh, own, out, partner, outside) {
    atomic {
        choose_victim(k, block, own, out);
        if
        :: out != NONE ->
            if
            :: IS_FORWARD(key[out]) -> find(REPLY(PORT_OF(word1[out])), sh, partner)
            :: else -> find(FORWARD(CLIENT_OF(word1[out])), sh, partner)
            fi;
            assert(partner != NONE && word1[partner] == word1[out]); /* half a flow under the lock */
            if
            :: BLOCK_OF(partner) == block ->
                assert(!((confirmed >> word1[out]) & 1)); /* an established flow as victim */
                forget(word1[out]);
                clear(out);
                clear(partner)
            :: else ->
                outside = word1[out];
                out = NONE
            fi
        :: else
        fi
    }
}

#ifdef VICTIM_NOT_LOOKED_AT_AGAIN
#define STILL_HALF_OPEN(only_half_open) false
#else
#define STILL_HALF_OPEN(only_half_open) (only_half_open)
#endif

/* From a sweep (any flow may be idle) or for a victim (only if still half open). The first entry must still translate
 * to the partner that was derived without the lock. */
inline remove(client, port, only_half_open, sh, s, r) {
    acquire_for_shape(sh);
    atomic {
        r = NONE;
        find(FORWARD(client), sh, s);
        if
#ifdef PARTNER_NOT_COMPARED
        :: s != NONE ->
            find(REPLY(port), sh, r)
#else
        :: s != NONE && PORT_OF(word1[s]) == port && !(STILL_HALF_OPEN(only_half_open) && established[s]) ->
            find(REPLY(port), sh, r);
            assert(r != NONE && word1[r] == word1[s]) /* half a flow under the lock */
#endif
        :: else
        fi
    };
    if
    :: r != NONE ->
        assert(!(only_half_open && ((confirmed >> word1[s]) & 1))); /* an established flow as victim */
        forget(word1[s]);
        clear(s);
#ifdef REMOVED_IN_TWO_HOLDS
        release();
        acquire();
#endif
#ifndef ONE_ENTRY_REMOVED
        clear(r)
#endif
    :: else
    fi;
    release()
}

/* A packet of a client that its CPU did not find in the table. */
proctype opener(byte client) {
    byte sh, port = FIRST_PORT(client), tries, s, r, from, to, outside;
    bool none_free;
start:
#ifdef MISS_WITHOUT_LOCK
    find(FORWARD(client), shape, s);
    acquire_for_shape(sh);
    atomic {
#else
    acquire_for_shape(sh);
    atomic {
        find(FORWARD(client), sh, s);
#endif
        if
        :: s != NONE -> /* another CPU was faster: its recipe is as good */
            release();
            goto done
        :: else
        fi
    };
    atomic {
        find(REPLY(port), sh, s);
        if
        :: s != NONE ->
            assert(CLIENT_OF(word1[s]) != client); /* half of our own flow, taken for a conflict */
            release();
            tries++;
            port = (port + 1) % PORTS;
            if
            :: tries >= PORTS -> goto done
            :: else -> goto start
            fi
        :: else
        fi
    };
#ifdef VICTIMS
    atomic {
        find_free(FORWARD(client), HOME(FORWARD(client), sh), s);
        none_free = s == NONE
    };
#endif
#ifdef PUT_OUTSIDE_LOCK
    release();
#endif
    find_room(REPLY(port), HOME(REPLY(port), sh), sh, false, r, from, to);
#ifdef VICTIMS
    if
    :: r == NONE -> evict(REPLY(port), HOME(REPLY(port), sh), sh, NONE, r, to, outside)
    :: else
    fi;
#endif
    if
    :: r == NONE -> goto refuse
    :: else
    fi;
    put(r, REPLY(port), FLOW(client, port), 0);
#ifdef LOCK_DROPPED_BETWEEN_ENTRIES
    release();
    acquire();
#endif
    find_room(FORWARD(client), HOME(FORWARD(client), sh), sh, none_free, s, from, to);
#ifdef VICTIMS
    if
    :: s == NONE -> evict(FORWARD(client), HOME(FORWARD(client), sh), sh, REPLY(port), s, to, outside)
    :: else
    fi;
#endif
    if
    :: s == NONE ->
        assert(key[r] == REPLY(port)); /* our reply was moved */
        clear(r);
        goto refuse
    :: else
    fi;
    put(s, FORWARD(client), FLOW(client, port), 0);
    live = live | (1 << FLOW(client, port));
#ifndef PUT_OUTSIDE_LOCK
    release();
#endif
    goto done;
refuse:
#ifndef PUT_OUTSIDE_LOCK
    release();
#endif
#ifdef VICTIMS
    if
    :: outside != 0 && tries < PORTS ->
        tries = PORTS; /* one start over is enough to see what it may break */
        remove(CLIENT_OF(outside), PORT_OF(outside), true, sh, s, r);
        outside = 0;
        goto start
    :: else
    fi;
#endif
done:
    atomic { sh = 0; port = 0; tries = 0; s = 0; r = 0; from = 0; to = 0; outside = 0; none_free = 0 }
}

/* Any slot, read without the lock: two loads, which need not belong together. */
inline pick_forward(s, client, flow) {
    atomic {
        s = 0;
        do
        :: s < SLOTS - 1 -> s++
        :: break
        od;
        if
        :: IS_FORWARD(key[s]) -> client = key[s] - FORWARD(0)
        :: else -> goto done
        fi
    };
    flow = word1[s]
}

proctype sweep() {
    byte sh, client, flow, s, r;
    pick_forward(s, client, flow);
    if
    :: flow != 0 -> remove(client, PORT_OF(flow), false, sh, s, r)
    :: else
    fi;
done:
    atomic { sh = 0; client = 0; flow = 0; s = 0; r = 0 }
}

/* The packet that makes a flow established. */
proctype confirmer() {
    byte sh, client, flow, s, r;
    pick_forward(s, client, flow);
    acquire_for_shape(sh);
    atomic {
        find(FORWARD(client), sh, s);
        if
        :: s != NONE && PORT_OF(word1[s]) == PORT_OF(flow) ->
            find(REPLY(PORT_OF(flow)), sh, r);
            assert(r != NONE && word1[r] == word1[s]); /* half a flow under the lock */
            printf("flow %d: established\n", word1[s]);
            established[s] = 1;
            established[r] = 1;
            confirmed = confirmed | (1 << word1[s])
        :: else
        fi
    };
    release();
done:
    atomic { sh = 0; client = 0; flow = 0; s = 0; r = 0 }
}

/* Doubling. One hold for each slot, so that writers come between any two. Between holds it may die: for ever, or the
 * next one starts over. */
proctype mover() {
    byte s, t, from, to, k, flow;
    bool left, e;
    if
    :: shape == GROWN -> goto done
    :: else ->
        d_step {
            shape = GROWING;
            printf("shape: growing\n")
        }
    fi;
pass:
    s = 0;
    left = false;
    do
    :: s < GROUPS * GROUP_SLOTS ->
        acquire();
        if
        :: key[s] != 0 && HOME(key[s], GROWING) != 0 ->
#ifdef CLEARED_BEFORE_COPIED
            d_step { k = key[s]; flow = word1[s]; e = established[s] };
            clear(s);
#ifdef MOVED_IN_TWO_HOLDS
            release();
            acquire();
#endif
            find_room(k, 1, GROWING, false, t, from, to);
            if
            :: t == NONE ->
                put(s, k, flow, e);
                left = true
            :: else -> put(t, k, flow, e)
            fi
#else
            find_room(key[s], 1, GROWING, false, t, from, to);
            if
            :: t == NONE -> left = true
            :: else ->
                put(t, key[s], word1[s], established[s]);
#ifdef MOVED_IN_TWO_HOLDS
                release();
                acquire();
#endif
                clear(s)
            fi
#endif
        :: else
        fi;
        atomic {
            release();
            s++
        }
    :: s < GROUPS * GROUP_SLOTS -> goto pass
    :: s < GROUPS * GROUP_SLOTS -> goto done
    :: else -> break
    od;
#ifndef GROWN_WITH_SOME_LEFT
    if
    :: left -> goto pass
    :: else
    fi;
#endif
    atomic {
        shape = GROWN;
        printf("shape: grown\n")
    };
done:
    atomic { s = 0; t = 0; from = 0; to = 0; k = 0; flow = 0; left = 0; e = 0 }
}

#ifdef READER
/* A packet of a client whose CPU looks at any one slot: a look-up is a row of these, each independent of the others.
 * What it does not find counts for nothing, so only what it uses is judged. */
proctype reader(byte client) {
    byte s, q, a, b;
    atomic {
        do
        :: s < SLOTS - 1 -> s++
        :: break
        od
    };
    q = seq[s];
    if
    :: key[s] == FORWARD(client) ->
        a = word1[s];
        b = word2[s];
#ifndef SEQ_NOT_CHECKED
        if
        :: q % 2 == 1 || seq[s] != q -> goto done /* dropped and counted */
        :: else
        fi;
#endif
        printf("client %d: words %d, %d of slot %d used\n", client, a, b, s);
        assert(a == b && CLIENT_OF(a) == client) /* a recipe of two flows, or of another client */
    :: else
    fi;
done:
    atomic { s = 0; q = 0; a = 0; b = 0 }
}
#endif

init {
    d_step { HASHES };
    atomic { PROCESSES };
    _nr_pr == 1;
    acquire();
    release()
}
