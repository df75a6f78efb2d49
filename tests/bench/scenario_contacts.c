/* Makes contacts: users stand in groups of contacts + 1, and everyone subscribes to all others of
 * the group, one after another, and says yes to all who ask. What it costs is not measured;
 * scenario_idle then has rosters to hold. */
#include "tests/bench/load.h"

#include <stdio.h>
#include <stdlib.h>

static int complete;

/* The account that u has to ask next: those behind it in its group, then those in front. */
static int next_contact(const struct user *u)
{
    struct load *l = u->load;
    int size = l->contacts + 1, place = u->number - l->first;

    return l->first + place / size * size + (place % size + 1 + u->contacts) % size;
}

static void ask(struct user *u)
{
    char text[300];
    int n = snprintf(text, sizeof text, "<presence type='subscribe' to='%s%d@%s'/>",
                     u->load->prefix, next_contact(u), u->load->domain);

    user_send(u, str_of(text, (size_t)n));
}

static void say_yes(struct user *u, struct str to)
{
    struct str bare = str_cut(&to, '/');
    char text[300];
    int n = snprintf(text, sizeof text, "<presence type='subscribed' to='%.*s'/>", STR_ARG(bare));

    user_send(u, str_of(text, (size_t)n));
}

static void on_presence(struct user *u, struct str stanza)
{
    struct load *l = u->load;
    struct str type = user_attribute(stanza, "type");

    if (str_is(type, "subscribe"))
        say_yes(u, user_attribute(stanza, "from"));
    if (!str_is(type, "subscribed"))
        return;
    if (++u->contacts < l->contacts)
        ask(u);
    else if (++complete == l->users) {
        load_say("done {\"failures\": %lu}", (unsigned long)l->failures);
        load_await_go(l, load_quit);
    }
}

static void contacts_go(struct load *l)
{
    for (int i = 0; i < l->users; i++)
        ask(&l->all[i]);
}

static void contacts_ready(struct load *l)
{
    load_say("ready");
    load_await_go(l, contacts_go);
}

void scenario_contacts(struct load *l)
{
    l->events = (struct user_events){ .on_presence = on_presence };
    if (l->users % (l->contacts + 1) != 0) {
        fprintf(stderr, "load: users must be whole groups of %d\n", l->contacts + 1);
        exit(2);
    }
    load_login_all(l, contacts_ready);
}
