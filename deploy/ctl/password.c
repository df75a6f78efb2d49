/* Reading of passwords. See password.h. */
#include "deploy/ctl/password.h"

#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

enum { INTERRUPT = 3 /* ^C, which is read as a byte while signals are off */ };

static enum err refuse(struct buf *why, enum err e, const char *sentence)
{
    buf_clear(why);
    buf_add(why, str_from(sentence));
    return e;
}

/* Byte by byte, so that nothing behind the line is taken from who reads on. */
static enum err read_line(struct buf *out, struct buf *why)
{
    char c = '\0';
    ssize_t n;

    while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
        if (c == INTERRUPT)
            return refuse(why, ERR_CLOSED, "interrupted");
        if (out->n == PASSWORD_MAX_BYTES)
            return refuse(why, ERR_LIMIT, "expected a password of at most 1023 bytes");
        buf_add_char(out, c);
    }
    if (n < 0)
        return refuse(why, ERR_CLOSED, strerror(errno));
    if (out->n > 0 && out->p[out->n - 1] == '\r')
        out->n--;
    if (out->n == 0)
        return refuse(why, n == 0 ? ERR_CLOSED : ERR_MALFORMED,
                      "expected a password that is not empty");
    return str_is_utf8(buf_str(out)) ? ERR_OK
                                     : refuse(why, ERR_MALFORMED, "expected a password in UTF-8");
}

static enum err ask_hidden(const char *prompt, struct str whose, struct buf *out, struct buf *why)
{
    struct termios before, hidden;
    enum err e;

    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return refuse(why, ERR_IO, "the terminal cannot be made to hide what is typed");
    hidden = before;
    /* Without signals nothing can end us while echo is off. */
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    hidden.c_cc[VEOL] = INTERRUPT; /* it ends the line, so that it is read at once */
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0)
        return refuse(why, ERR_IO, "the terminal cannot be made to hide what is typed");
    fprintf(stderr, "%s%s%.*s: ", prompt, whose.n ? " " : "", STR_ARG(whose));
    e = read_line(out, why);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return e;
}

static enum err read_twice(const char *const prompts[2], struct str whose, struct buf *out,
                           struct buf *why)
{
    struct buf again = { 0 };
    enum err e = ask_hidden(prompts[0], whose, out, why);

    buf_reserve(&again, PASSWORD_MAX_BYTES);
    if (e == ERR_OK && prompts[1] && (e = ask_hidden(prompts[1], whose, &again, why)) == ERR_OK &&
        !str_eq(buf_str(out), buf_str(&again)))
        e = refuse(why, ERR_MALFORMED, "the two differ");
    mem_wipe(again.p, again.n);
    buf_fini(&again);
    return e;
}

enum err password_read(struct str account, struct buf *out, struct buf *why)
{
    static const char *const prompts[] = { "Password of", "Once more, password of" };

    buf_reserve(out, PASSWORD_MAX_BYTES); /* it must not move: nothing would wipe the old place */
    return isatty(STDIN_FILENO) ? read_twice(prompts, account, out, why) : read_line(out, why);
}

enum err password_read_passphrase(const char *prompt, bool is_new, struct buf *out, struct buf *why)
{
    const char *prompts[] = { prompt, is_new ? "Once more" : NULL };

    buf_reserve(out, PASSWORD_MAX_BYTES);
    return isatty(STDIN_FILENO) ? read_twice(prompts, STR_NONE, out, why) : read_line(out, why);
}
