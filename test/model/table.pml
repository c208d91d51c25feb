/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of one stripe: one lock, one block that becomes two, the steps that all writers share, and what must hold.
 *
 * A flow is a client and a SNAT port, numbered 1 + client * PORTS + port. It has two entries: under the client's key
 * (forward) and under the port's key (reply). The words of both entries are the flow's number, so that each entry
 * names its partner, and a torn recipe names the wrong flow.
 */
#define BLOCKS 2
#define SLOTS (BLOCKS * GROUPS * GROUP_SLOTS)
#define NONE 255
#define FORWARD(client) (1 + (client))
#define REPLY(port) (1 + CLIENTS + (port))
#define IS_FORWARD(k) ((k) >= 1 && (k) <= CLIENTS)
#define FLOW(client, port) (1 + (client) * PORTS + (port))
#define CLIENT_OF(flow) (((flow) - 1) / PORTS)
#define PORT_OF(flow) (((flow) - 1) % PORTS)

#define SLOT(block, group, i) (((block) * GROUPS + (group)) * GROUP_SLOTS + (i))
#define BLOCK_OF(s) ((s) / (GROUPS * GROUP_SLOTS))
#define GROUP_OF(s) (((s) / GROUP_SLOTS) % GROUPS)
#define IS_AWAY(s, k) (GROUP_OF(s) != first_group[k])
#define AWAY_OF(s, k) (BLOCK_OF(s) * GROUPS + first_group[k])
#define OTHER_GROUP(k, g) (first_group[k] + second_group[k] - (g))

/* Masks for (insertion, other): (0, 0), while growing (1, 0), grown (1, 1). */
#define SMALL 0
#define GROWING 1
#define GROWN 2
#define HOME(k, sh) (((sh) != SMALL) * place[k])
#define OTHER(k, sh) (((sh) == GROWN) * place[k])

/* What a key's hash says: the bit that doubling adds to the block's number, first and second group. Constants, and
 * hidden so that they are no part of a state. */
#define KEYS (1 + CLIENTS + PORTS)
hidden byte place[KEYS];
hidden byte first_group[KEYS];
hidden byte second_group[KEYS];

/* away: how many keys of a group are in their second group. Under the lock, zero ends a search after the first. */
byte shape = SMALL;
byte key[SLOTS]; /* 0: free */
byte word1[SLOTS];
bit established[SLOTS];
byte away[BLOCKS * GROUPS];
#ifdef READER
byte word2[SLOTS];
byte seq[SLOTS];
#endif

/* Not in the table: how many hold the lock, the flows that were made and not removed, those that were confirmed. */
byte holders;
short live;
short confirmed;

/* Scratch of single steps. */
hidden byte i_, g_, k_, t_, n_;
hidden short seen_;

/*
 * What whoever takes the lock may rely on. Every entry is in a place and a group of its key, no key is there twice,
 * the entries are exactly the two of each flow that was made and not removed, both with the same state; away is exact.
 * Hence pairs are whole, none is lost, and no two flows have one SNAT port: the reply of one of them would be missing.
 */
inline check_table() {
    d_step {
        seen_ = 0;
        n_ = 0;
        for (i_ : 0 .. SLOTS - 1) {
            k_ = key[i_];
            if
            :: k_ != 0 ->
                assert(!((seen_ >> k_) & 1)); /* a key twice */
                seen_ = seen_ | (1 << k_);
                n_++;
                assert(BLOCK_OF(i_) == HOME(k_, shape) || BLOCK_OF(i_) == OTHER(k_, shape)); /* invisible */
                assert(GROUP_OF(i_) == first_group[k_] || GROUP_OF(i_) == second_group[k_]); /* invisible */
                assert(k_ == FORWARD(CLIENT_OF(word1[i_])) || k_ == REPLY(PORT_OF(word1[i_]))); /* not inverse */
                assert((live >> word1[i_]) & 1); /* an entry without its flow */
                assert(established[i_] == ((confirmed >> word1[i_]) & 1)); /* state of one entry only */
#ifdef READER
                assert(word1[i_] == word2[i_] && seq[i_] % 2 == 0); /* torn at rest */
#endif
            :: else
            fi
        }
        for (i_ : 1 .. CLIENTS * PORTS) {
            n_ = n_ - 2 * ((live >> i_) & 1);
        }
        assert(n_ == 0); /* half a flow, or one lost */
        for (i_ : 0 .. BLOCKS * GROUPS - 1) {
            n_ = 0;
            for (t_ : 0 .. SLOTS - 1) {
                k_ = key[t_];
                n_ = n_ + (k_ != 0 && IS_AWAY(t_, k_) && AWAY_OF(t_, k_) == i_);
            }
            assert(away[i_] == n_); /* away wrong */
        }
    }
}

/* With the lock in force, holders is the lock. A mutant that ignores it is judged in quiet moments only. */
inline acquire() {
    atomic {
#ifndef WITHOUT_LOCK
        holders == 0;
#endif
        holders++;
        printf("lock\n");
        if
        :: holders == 1 -> check_table()
        :: else
        fi
    }
}

inline release() {
    d_step {
        holders--;
        printf("unlock\n")
    }
}

/* A writer computes its pointers from the shape that it read before; under the lock it reads shape again. */
inline acquire_for_shape(sh) {
    do
    :: sh = shape;
        acquire();
#ifdef SHAPE_NOT_READ_AGAIN
        break
#else
        if
        :: shape == sh -> break
        :: else -> release()
        fi
#endif
    od
}

inline find_in_group(k, block, group, out) {
    for (i_ : 0 .. GROUP_SLOTS - 1) {
        if
        :: out == NONE && key[SLOT(block, group, i_)] == k -> out = SLOT(block, group, i_)
        :: else
        fi
    }
}

inline find_in_block(k, block, out) {
    find_in_group(k, block, first_group[k], out);
    if
    :: out == NONE && away[(block) * GROUPS + first_group[k]] != 0 -> find_in_group(k, block, second_group[k], out)
    :: else
    fi
}

inline find(k, sh, out) {
    d_step {
        out = NONE;
        find_in_block(k, HOME(k, sh), out);
        if
        :: out == NONE && OTHER(k, sh) != HOME(k, sh) -> find_in_block(k, OTHER(k, sh), out)
        :: else
        fi
    }
}

inline find_free(k, block, out) {
    d_step {
        out = NONE;
        find_in_group(0, block, first_group[k], out);
        find_in_group(0, block, second_group[k], out);
        i_ = 0 /* spin wants no loop at the end of a d_step */
    }
}

/* With a reader the stores are steps of their own, in the order of the program. */
inline put(s, k, flow, e) {
#ifdef READER
#ifndef SEQ_RAISED_AFTERWARDS
    seq[s]++;
#endif
    d_step {
#else
    d_step {
        word1[s] = flow;
#endif
        printf("slot %d: key %d of flow %d\n", s, k, flow);
        key[s] = k;
        established[s] = e;
        away[AWAY_OF(s, k)] = away[AWAY_OF(s, k)] + IS_AWAY(s, k)
    };
#ifdef READER
    word1[s] = flow;
    word2[s] = flow;
#ifdef SEQ_RAISED_AFTERWARDS
    seq[s] = seq[s] + 2
#else
    seq[s]++
#endif
#endif
}

/* A cleared entry keeps all but its key. Where nobody can see the rest it goes too, for the sake of fewer states. */
inline clear(s) {
    d_step {
        printf("slot %d: free\n", s);
        k_ = key[s];
        away[AWAY_OF(s, k_)] = away[AWAY_OF(s, k_)] - IS_AWAY(s, k_);
        key[s] = 0;
#if !defined(READER) && !defined(VICTIMS)
        word1[s] = 0;
        established[s] = 0
#endif
    }
}

/* The one move: an entry of the key's full groups that has room in its other group, and the slot there. */
inline find_move(k, block, sh, from, to) {
    d_step {
        from = NONE;
        to = NONE;
        for (g_ : 0 .. 2 * GROUP_SLOTS - 1) {
            t_ = SLOT(block, (g_ < GROUP_SLOTS -> first_group[k] : second_group[k]), g_ % GROUP_SLOTS);
            k_ = key[t_];
            if
#ifdef FOREIGN_ENTRIES_MOVED
            :: to == NONE && k_ != 0 ->
#else
            :: to == NONE && k_ != 0 && HOME(k_, sh) == block ->
#endif
                find_in_group(0, block, OTHER_GROUP(k_, GROUP_OF(t_)), to);
                from = (to != NONE -> t_ : NONE)
            :: else
            fi
        }
    }
}

/* Free slot or one move. none_free: an earlier look found no free slot, and nobody has to look again. */
inline find_room(k, block, sh, none_free, out, from, to) {
    atomic {
        if
        :: true -> find_free(k, block, out)
        :: none_free -> out = NONE
        fi
    };
    if
    :: out == NONE ->
        find_move(k, block, sh, from, to);
        if
        :: from != NONE ->
            put(to, key[from], word1[from], established[from]);
            clear(from);
            out = from
        :: else
        fi
    :: else
    fi
}
