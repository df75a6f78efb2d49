/* What the session manager counts; the names that monitoring sees are in metrics.c. */
#ifndef SM_METRICS_H
#define SM_METRICS_H

#include "common/metric.h"

extern struct metric sm_metric_sessions;
extern struct metric sm_metric_bound;
extern struct metric sm_metric_accounts;
extern struct metric sm_metric_logins_open;
extern struct metric sm_metric_logins;
extern struct metric sm_metric_login_failures;
extern struct metric sm_metric_guesses;
extern struct metric sm_metric_guesses_refused;
extern struct metric sm_metric_guesses_used_up;
extern struct metric sm_metric_guesses_counted;
extern struct metric sm_metric_certificates_refused;
extern struct metric sm_metric_directory_up;
extern struct metric sm_metric_directory_down;
extern struct metric sm_metric_directory_waiting;
extern struct metric sm_metric_directory_searches;
extern struct metric sm_metric_directory_binds;
extern struct metric sm_metric_directory_refused;
extern struct metric sm_metric_directory_failed;
extern struct metric sm_metric_leavers;
extern struct metric sm_metric_shared_people;
extern struct metric sm_metric_shared_groups;
extern struct metric sm_metric_shared_bytes;
extern struct metric sm_metric_shared_failing;
extern struct metric sm_metric_shared_refreshes;
extern struct metric sm_metric_shared_failures;
extern struct metric sm_metric_shared_pushes;
extern struct metric sm_metric_adopt_refused;
extern struct metric sm_metric_frames_in;
extern struct metric sm_metric_frames_out;
extern struct metric sm_metric_frames_dropped;
extern struct metric sm_metric_violations;
extern struct metric sm_metric_numbers_refused;
extern struct metric sm_metric_too_large;
extern struct metric sm_metric_messages_in;
extern struct metric sm_metric_presences_in;
extern struct metric sm_metric_iqs_in;
extern struct metric sm_metric_component_in;
extern struct metric sm_metric_component_out;
extern struct metric sm_metric_bounced;
extern struct metric sm_metric_offline_stored;
extern struct metric sm_metric_offline_delivered;
extern struct metric sm_metric_offline_refused;
extern struct metric sm_metric_archive_stored;
extern struct metric sm_metric_archive_failed;
extern struct metric sm_metric_archive_read;
extern struct metric sm_metric_archive_purged;
extern struct metric sm_metric_queue_stored;
extern struct metric sm_metric_redelivered;
extern struct metric sm_metric_resynced;
extern struct metric sm_metric_commits;
extern struct metric sm_metric_commit_us;

void sm_metrics_register(void);

#endif
