/* main: chancery-gateway-mail. */
#include "gateway/gateway.h"
#include "mail_network.h"

int
main(int argc, char **argv)
{
	return gateway_main(&mail_network, argc, argv);
}
