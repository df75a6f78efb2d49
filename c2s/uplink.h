/* What comes by the links to the routers, handed to whom it is for. */
#ifndef C2S_UPLINK_H
#define C2S_UPLINK_H

struct link_events;

/* The owner of the links is the struct c2s. */
extern const struct link_events uplink_events;

#endif
