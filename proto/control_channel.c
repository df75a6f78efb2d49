/* Control elements of one client's channel: a new stream after <success/>, its end, and the
 * exchange with a new owner. LINK.md §5 to §7. */
#include "proto/control.h"

#include "common/mem.h"
#include "proto/control_part.h"
#include "proto/ns.h"

/* --- restart ---------------------------------------------------------------------------------- */

void control_write_restart(struct buf *out, struct str host, struct str lang, struct str from)
{
    buf_add(out, STR("<restart xmlns='" NS_LINK "'"));
    control_put(out, "host", host);
    control_put(out, "lang", lang);
    control_put(out, "from", from);
    buf_add(out, STR("/>"));
}

enum err control_read_restart(const struct xml *x, struct str *out_host, struct str *out_lang,
                              struct str *out_from)
{
    if (!xml_is(x, NS_LINK, "restart") || xml_attr(x, "host").n == 0)
        return ERR_MALFORMED;
    *out_host = xml_attr(x, "host");
    *out_lang = xml_attr(x, "lang");
    *out_from = xml_attr(x, "from");
    return ERR_OK;
}

/* --- end -------------------------------------------------------------------------------------- */

static const char *const end_words[] = {
    [CONTROL_END_CLOSED] = "closed",
    [CONTROL_END_LOST] = "lost",
    [CONTROL_END_ERROR] = "error",
    [CONTROL_END_TIMEOUT] = "timeout",
    NULL,
};

void control_write_end(struct buf *out, const struct control_end *e)
{
    buf_add(out, STR("<end xmlns='" NS_LINK "'"));
    control_put(out, "why", str_from(end_words[e->why]));
    buf_add_char(out, '>');
    if (e->error != STREAM_OK) {
        buf_add_char(out, '<');
        buf_add(out, str_from(stream_error_name(e->error)));
        buf_add(out, STR(" xmlns='" NS_STREAM_ERRORS "'/>"));
    }
    if (str_is_set(e->text)) {
        buf_add(out, STR("<text xmlns='" NS_STREAM_ERRORS "'>"));
        xml_escape(out, e->text);
        buf_add(out, STR("</text>"));
    }
    buf_add(out, STR("</end>"));
}

/* A condition that we do not know comes from a newer release: it is one that the client may not
 * know either. */
static void read_condition(const struct xml *x, struct control_end *out)
{
    for (const struct xml *c = xml_child(x, NS_STREAM_ERRORS, NULL); c;
         c = xml_next(c, NS_STREAM_ERRORS, NULL))
        if (str_is(c->name, "text")) {
            out->text = c->first && xml_is_text(c->first) ? c->first->text : STR("");
        } else {
            out->error = stream_error_from_name(c->name);
            if (out->error == STREAM_OK)
                out->error = STREAM_UNDEFINED_CONDITION;
        }
}

enum err control_read_end(const struct xml *x, struct control_end *out)
{
    struct control_end e = { 0 };
    unsigned why;

    if (!xml_is(x, NS_LINK, "end") || control_get_word(x, "why", end_words, &why) != ERR_OK)
        return ERR_MALFORMED;
    e.why = (enum control_end_why)why;
    read_condition(x, &e);
    *out = e;
    return ERR_OK;
}

/* --- sync ------------------------------------------------------------------------------------- */

static const struct control_attr sync_attrs[] = {
    { "id", offsetof(struct control_sync_entry, session), true },
    { "conn", offsetof(struct control_sync_entry, conn), true },
};

void control_write_sync(struct buf *out, const struct control_sync *s)
{
    buf_add(out, STR("<sync xmlns='" NS_LINK "'"));
    control_put_u64(out, "e", s->epoch);
    if (s->has_more)
        control_put_u64(out, "more", 1);
    buf_add_char(out, '>');
    for (size_t i = 0; i < s->count; i++) {
        buf_add(out, STR("<s"));
        control_put_texts(out, sync_attrs, ARRAY_LEN(sync_attrs), &s->entries[i]);
        buf_add(out, STR("/>"));
    }
    buf_add(out, STR("</sync>"));
}

enum err control_read_sync(const struct xml *x, struct arena *arena, struct control_sync *out)
{
    struct control_sync s = { 0 };
    size_t i = 0;

    if (!xml_is(x, NS_LINK, "sync") || control_get_u64(x, "e", &s.epoch) != ERR_OK ||
        control_get_flag(x, "more", &s.has_more) != ERR_OK ||
        control_count(x, "s", &s.count) != ERR_OK)
        return ERR_MALFORMED;
    s.entries = arena_alloc(arena, s.count * sizeof *s.entries);
    for (const struct xml *c = xml_child(x, NS_LINK, "s"); c; c = xml_next(c, NS_LINK, "s"), i++)
        if (control_get_texts(c, sync_attrs, ARRAY_LEN(sync_attrs), &s.entries[i]) != ERR_OK ||
            !control_is_hex(s.entries[i].session, FRAME_SESSION_TEXT) ||
            !control_is_conn(s.entries[i].conn))
            return ERR_MALFORMED;
    *out = s;
    return ERR_OK;
}

/* --- synced ----------------------------------------------------------------------------------- */

void control_write_synced_begin(struct buf *out, uint64_t epoch)
{
    buf_add(out, STR("<synced xmlns='" NS_LINK "'"));
    control_put_u64(out, "e", epoch);
    buf_add_char(out, '>');
}

void control_write_synced_gate(struct buf *out, struct str session, const struct channel_gate *g)
{
    const struct channel_copy *copies = channel_gate_copies(g);

    buf_add(out, STR("<s"));
    control_put(out, "id", session);
    control_put_u64(out, "h", g->up_taken);
    control_put_u64(out, "n", g->down_last);
    control_put_u64(out, "w", g->down_written);
    buf_add_char(out, '>');
    for (uint32_t i = 0; i < g->copy_count; i++) {
        if (i > 0)
            buf_add_char(out, ' ');
        buf_add_u64(out, copies[i].n);
        buf_add_char(out, ':');
        frame_id_write(out, &copies[i].id);
    }
    buf_add(out, STR("</s>"));
}

void control_write_synced_gone(struct buf *out, struct str session)
{
    buf_add(out, STR("<gone"));
    control_put(out, "id", session);
    buf_add(out, STR("/>"));
}

void control_write_synced_end(struct buf *out)
{
    buf_add(out, STR("</synced>"));
}

/* "8:ID 9:ID …": what stands between two spaces. */
static enum err read_copy(struct str text, struct channel_copy *out)
{
    struct str rest = text, n = str_cut(&rest, ':');

    if (str_to_u64(n, &out->n) != ERR_OK || frame_id_read(rest, &out->id) != ERR_OK)
        return ERR_MALFORMED;
    return ERR_OK;
}

static enum err read_copies(struct str text, struct channel_synced *out)
{
    uint32_t cap = 0;

    while (text.n > 0) {
        if (out->copy_count == CHANNEL_MAX_UNFINAL)
            return ERR_LIMIT;
        if (out->copy_count == cap) {
            cap = cap ? cap * 2 : 8;
            out->copies = mem_realloc(out->copies, cap * sizeof *out->copies);
        }
        if (read_copy(str_cut(&text, ' '), &out->copies[out->copy_count]) != ERR_OK)
            return ERR_MALFORMED;
        out->copy_count++;
    }
    return ERR_OK;
}

static enum err read_synced_entry(const struct xml *x, struct arena *arena,
                                  struct control_synced_entry *out)
{
    struct channel_synced *numbers = &out->numbers;

    out->session = xml_attr(x, "id");
    out->is_gone = str_is(x->name, "gone");
    if (!control_is_hex(out->session, FRAME_SESSION_TEXT))
        return ERR_MALFORMED;
    if (out->is_gone)
        return ERR_OK;
    if (control_get_u64(x, "h", &numbers->up_taken) != ERR_OK ||
        control_get_u64(x, "n", &numbers->down_last) != ERR_OK ||
        control_get_u64(x, "w", &numbers->down_written) != ERR_OK)
        return ERR_MALFORMED;
    return read_copies(xml_text(x, arena), numbers);
}

static enum err read_synced_entries(const struct xml *x, struct arena *arena,
                                    struct control_synced *out)
{
    for (const struct xml *c = xml_child(x, NS_LINK, NULL); c; c = xml_next(c, NS_LINK, NULL)) {
        if (!str_is(c->name, "s") && !str_is(c->name, "gone"))
            continue;
        /* Counted first: a half-read entry may own copies. */
        if (read_synced_entry(c, arena, &out->entries[out->count++]) != ERR_OK)
            return ERR_MALFORMED;
    }
    return ERR_OK;
}

enum err control_read_synced(const struct xml *x, struct arena *arena, struct control_synced *out)
{
    struct control_synced s = { 0 };
    size_t here, gone;

    if (!xml_is(x, NS_LINK, "synced") || control_get_u64(x, "e", &s.epoch) != ERR_OK ||
        control_count(x, "s", &here) != ERR_OK || control_count(x, "gone", &gone) != ERR_OK)
        return ERR_MALFORMED;
    s.entries = arena_alloc(arena, (here + gone) * sizeof *s.entries);
    if (read_synced_entries(x, arena, &s) != ERR_OK) {
        control_synced_fini(&s);
        return ERR_MALFORMED;
    }
    *out = s;
    return ERR_OK;
}

void control_synced_fini(struct control_synced *s)
{
    for (size_t i = 0; i < s->count; i++) {
        mem_free(s->entries[i].numbers.copies);
        s->entries[i].numbers.copies = NULL;
    }
    s->count = 0;
}
