/* sallyportctl install: puts the bundle of this host, made by plan, in its place. */
#ifndef DEPLOY_CTL_INSTALL_H
#define DEPLOY_CTL_INSTALL_H

/* words: what stands behind the tool's name, "install" first. Returns the tool's exit code. */
int install_run(int count, char **words);

#endif
