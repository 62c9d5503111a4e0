/* networks: what the files of this module share (networks.c). */
#ifndef NETWORKS_H
#define NETWORKS_H

#include "module_network.h"

/* desk.c: what the programs of gateways ask for (urn:chancery:gateway:0). */
int networks_desk_attach(struct module *m);

#endif
