/* What comes by the links to the routers, handed to whom it is for. */
#ifndef C2S_UPLINK_H
#define C2S_UPLINK_H

struct c2s;
struct link_events;

/* The owner of the links is the struct c2s. */
extern const struct link_events uplink_events;

/* Says which hosts no certificate of ours names: with each new table, and after a reload. */
void uplink_check_certificates(const struct c2s *c2s);

#endif
