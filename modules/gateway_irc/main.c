/* chancery-gateway-irc: the gateway to IRC. */
#include "gateway/gateway.h"
#include "irc.h"

int
main(int argc, char **argv)
{
	return gateway_main(&irc_network, argc, argv);
}
