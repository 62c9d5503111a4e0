/* chancery-gateway-sip: SIP and SIMPLE, people's messages and presence on telephony networks. See README.md. */
#include "gateway/gateway.h"
#include "sip_network.h"

int
main(int argc, char **argv)
{
	return gateway_main(&sip_network, argc, argv);
}
