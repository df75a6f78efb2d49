/* Budgets of wrong passwords as the process has them (sm/auth/guesses.h): from its configuration, told, shown and forgiven. */
#ifndef SM_GUESSING_H
#define SM_GUESSING_H

#include "common/ctl.h"
#include "sm/sm.h"

struct guesses_options;

/* For auth_new: budgets that are used up are audited. */
extern const struct guesses_options guessing_options;
/* When sessions are loaded: their people are known where they are. */
void guessing_start(struct sm *sm);
/* At start and at a reload: the limits. */
void guessing_apply(struct sm *sm);
/* Before auth_free; NULL auth is fine. */
void guessing_stop(struct sm *sm);
/* sallyportctl guesses … */
void guessing_run(void *app, struct ctl_request *r);

#endif
