/* The names of what the session manager counts. */
#include "sm/metrics.h"

struct metric sm_metric_sessions =
    METRIC("sallyport_sm_sessions", METRIC_GAUGE, "Sessions, bound or not, loaded or open.");
struct metric sm_metric_bound =
    METRIC("sallyport_sm_bound", METRIC_GAUGE, "Sessions with a resource.");
struct metric sm_metric_accounts =
    METRIC("sallyport_sm_accounts", METRIC_GAUGE, "Accounts in memory.");
struct metric sm_metric_logins_open =
    METRIC("sallyport_sm_logins_open", METRIC_GAUGE, "Connections that are not logged in yet.");
struct metric sm_metric_logins =
    METRIC("sallyport_sm_logins_total", METRIC_COUNTER, "Sessions opened after authentication.");
struct metric sm_metric_login_failures =
    METRIC("sallyport_sm_login_failures_total", METRIC_COUNTER, "SASL failures answered.");
struct metric sm_metric_guesses =
    METRIC("sallyport_sm_guesses_total", METRIC_COUNTER, "Wrong passwords that counted against a budget.");
struct metric sm_metric_guesses_refused =
    METRIC("sallyport_sm_guesses_refused_total", METRIC_COUNTER, "Logins refused before their password was looked at: a budget was used up.");
struct metric sm_metric_guesses_used_up =
    METRIC("sallyport_sm_guesses_used_up_total", METRIC_COUNTER, "Budgets of wrong passwords that were used up.");
struct metric sm_metric_guesses_counted =
    METRIC("sallyport_sm_guesses_counted", METRIC_GAUGE, "Accounts, entries, addresses and c2s that wrong passwords are counted of.");
struct metric sm_metric_certificates_refused =
    METRIC("sallyport_sm_client_certificates_refused_total", METRIC_COUNTER, "Certificates of clients that c2s believed and this process did not.");
struct metric sm_metric_directory_up =
    METRIC("sallyport_sm_directory_up", METRIC_GAUGE, "LDAP servers that are up.");
struct metric sm_metric_directory_down =
    METRIC("sallyport_sm_directory_down", METRIC_GAUGE, "LDAP servers that are down.");
struct metric sm_metric_directory_waiting =
    METRIC("sallyport_sm_directory_waiting", METRIC_GAUGE, "Logins that wait for a directory.");
struct metric sm_metric_directory_searches =
    METRIC("sallyport_sm_directory_searches_total", METRIC_COUNTER, "Searches sent to directories.");
struct metric sm_metric_directory_binds =
    METRIC("sallyport_sm_directory_binds_total", METRIC_COUNTER, "Passwords that directories were asked to check.");
struct metric sm_metric_directory_refused =
    METRIC("sallyport_sm_directory_refused_total", METRIC_COUNTER, "Logins that directories refused.");
struct metric sm_metric_directory_failed =
    METRIC("sallyport_sm_directory_failed_total", METRIC_COUNTER, "Logins that no directory could answer: temporary-auth-failure.");
struct metric sm_metric_leavers =
    METRIC("sallyport_sm_leavers_total", METRIC_COUNTER, "Sessions that were ended because the directory does not let their account in any more.");
struct metric sm_metric_shared_people =
    METRIC("sallyport_sm_shared_people", METRIC_GAUGE, "People of directories that are known for shared rosters.");
struct metric sm_metric_shared_groups =
    METRIC("sallyport_sm_shared_groups", METRIC_GAUGE, "Groups that are shown in rosters.");
struct metric sm_metric_shared_bytes =
    METRIC("sallyport_sm_shared_bytes", METRIC_GAUGE, "Bytes that these people and groups take.");
struct metric sm_metric_shared_failing =
    METRIC("sallyport_sm_shared_failing", METRIC_GAUGE, "Hosts whose shared rosters could not be refreshed the last time.");
struct metric sm_metric_shared_refreshes =
    METRIC("sallyport_sm_shared_refreshes_total", METRIC_COUNTER, "Refreshes of shared rosters.");
struct metric sm_metric_shared_failures =
    METRIC("sallyport_sm_shared_failures_total", METRIC_COUNTER, "Refreshes of shared rosters that failed and changed nothing.");
struct metric sm_metric_shared_pushes =
    METRIC("sallyport_sm_shared_pushes_total", METRIC_COUNTER, "Contacts pushed because the directory has changed.");
struct metric sm_metric_adopt_refused =
    METRIC("sallyport_sm_adopt_refused_total", METRIC_COUNTER, "Adoptions that were forged, late or used twice.");
struct metric sm_metric_frames_in =
    METRIC("sallyport_sm_frames_in_total", METRIC_COUNTER, "Frames from links.");
struct metric sm_metric_frames_out =
    METRIC("sallyport_sm_frames_out_total", METRIC_COUNTER, "Frames sent to clients of sessions.");
struct metric sm_metric_frames_dropped =
    METRIC("sallyport_sm_frames_dropped_total", METRIC_COUNTER, "Frames that nobody was to take: unknown sessions, wrong senders.");
struct metric sm_metric_violations =
    METRIC("sallyport_sm_violations_total", METRIC_COUNTER, "Frames that no honest peer sends: refused and audited.");
struct metric sm_metric_numbers_refused =
    METRIC("sallyport_sm_numbers_refused_total", METRIC_COUNTER, "Numbers of frames that were not believed: repeated, late, or false.");
struct metric sm_metric_too_large =
    METRIC("sallyport_sm_too_large_total", METRIC_COUNTER, "Stanzas that no frame can carry: refused.");
struct metric sm_metric_messages_in =
    METRIC("sallyport_sm_messages_in_total", METRIC_COUNTER, "Message stanzas from clients.");
struct metric sm_metric_presences_in =
    METRIC("sallyport_sm_presences_in_total", METRIC_COUNTER, "Presence stanzas from clients.");
struct metric sm_metric_iqs_in =
    METRIC("sallyport_sm_iqs_in_total", METRIC_COUNTER, "IQ stanzas from clients.");
struct metric sm_metric_component_in =
    METRIC("sallyport_sm_component_in_total", METRIC_COUNTER, "Stanzas from components.");
struct metric sm_metric_component_out =
    METRIC("sallyport_sm_component_out_total", METRIC_COUNTER, "Stanzas to components.");
struct metric sm_metric_bounced =
    METRIC("sallyport_sm_bounced_total", METRIC_COUNTER, "Frames that a router could not send on.");
struct metric sm_metric_offline_stored =
    METRIC("sallyport_sm_offline_stored_total", METRIC_COUNTER, "Messages put into offline storage.");
struct metric sm_metric_offline_delivered =
    METRIC("sallyport_sm_offline_delivered_total", METRIC_COUNTER, "Messages given to a session out of offline storage.");
struct metric sm_metric_offline_refused =
    METRIC("sallyport_sm_offline_refused_total", METRIC_COUNTER,
           "Messages refused because the limit of an account was reached or the store was busy.");
struct metric sm_metric_archive_stored =
    METRIC("sallyport_sm_archive_stored_total", METRIC_COUNTER, "Messages put into archives; one between two accounts of this store counts once.");
struct metric sm_metric_archive_failed =
    METRIC("sallyport_sm_archive_failed_total", METRIC_COUNTER, "Messages that could not be archived: their senders were told.");
struct metric sm_metric_archive_read =
    METRIC("sallyport_sm_archive_read_total", METRIC_COUNTER, "Messages sent to clients that asked for their archive.");
struct metric sm_metric_archive_purged =
    METRIC("sallyport_sm_archive_purged_total", METRIC_COUNTER, "Messages taken out of an account's archive: too old, too many, or on request.");
struct metric sm_metric_queue_stored =
    METRIC("sallyport_sm_queue_stored_total", METRIC_COUNTER, "Stanzas stored because a client did not take them in time.");
struct metric sm_metric_redelivered =
    METRIC("sallyport_sm_redelivered_total", METRIC_COUNTER, "Stanzas delivered again because their session ended.");
struct metric sm_metric_resynced =
    METRIC("sallyport_sm_resynced_total", METRIC_COUNTER, "Sessions taken up again after a restart of this process.");
/* A login's commit stands for all: they share the group commits. */
struct metric sm_metric_commits =
    METRIC("sallyport_sm_commits_total", METRIC_COUNTER, "Logins committed by the store, to divide the microseconds by.");
struct metric sm_metric_commit_us =
    METRIC("sallyport_sm_commit_microseconds_total", METRIC_COUNTER, "Microseconds that the store took to commit logins.");

void sm_metrics_register(void)
{
    static struct metric *const all[] = {
        &sm_metric_sessions,
        &sm_metric_bound,
        &sm_metric_accounts,
        &sm_metric_logins_open,
        &sm_metric_logins,
        &sm_metric_login_failures,
        &sm_metric_guesses,
        &sm_metric_guesses_refused,
        &sm_metric_guesses_used_up,
        &sm_metric_guesses_counted,
        &sm_metric_certificates_refused,
        &sm_metric_directory_up,
        &sm_metric_directory_down,
        &sm_metric_directory_waiting,
        &sm_metric_directory_searches,
        &sm_metric_directory_binds,
        &sm_metric_directory_refused,
        &sm_metric_directory_failed,
        &sm_metric_leavers,
        &sm_metric_shared_people,
        &sm_metric_shared_groups,
        &sm_metric_shared_bytes,
        &sm_metric_shared_failing,
        &sm_metric_shared_refreshes,
        &sm_metric_shared_failures,
        &sm_metric_shared_pushes,
        &sm_metric_adopt_refused,
        &sm_metric_frames_in,
        &sm_metric_frames_out,
        &sm_metric_frames_dropped,
        &sm_metric_violations,
        &sm_metric_numbers_refused,
        &sm_metric_too_large,
        &sm_metric_messages_in,
        &sm_metric_presences_in,
        &sm_metric_iqs_in,
        &sm_metric_component_in,
        &sm_metric_component_out,
        &sm_metric_bounced,
        &sm_metric_offline_stored,
        &sm_metric_offline_delivered,
        &sm_metric_offline_refused,
        &sm_metric_archive_stored,
        &sm_metric_archive_failed,
        &sm_metric_archive_read,
        &sm_metric_archive_purged,
        &sm_metric_queue_stored,
        &sm_metric_redelivered,
        &sm_metric_resynced,
        &sm_metric_commits,
        &sm_metric_commit_us,
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        metric_register(all[i]);
}
