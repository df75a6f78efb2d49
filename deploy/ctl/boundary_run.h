/* sallyportctl boundary: its own command line, since it asks no process. */
#ifndef DEPLOY_CTL_BOUNDARY_RUN_H
#define DEPLOY_CTL_BOUNDARY_RUN_H

/* words: "boundary" and what stands behind it. Returns the tool's exit code: 0 nothing was found, 2
 * findings, 64 usage, 70 it could not look. */
int boundary_run(int count, char **words);

#endif
