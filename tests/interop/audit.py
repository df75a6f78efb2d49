"""What the audit log of the session manager says about logins."""


def lines(cluster, event, name):
    return [line for line in cluster.audit("sm-1").splitlines() if f"audit={event} " in line and name in line]


def mechanism(cluster, name):
    """By which mechanism this account logged in."""
    fields = dict(f.split("=", 1) for f in lines(cluster, "login", f"{name}@")[-1].split() if "=" in f)
    return fields["mechanism"]
