/*
 * main: chancery-gateway-sms.
 */
#include "gateway/gateway.h"
#include "gateway_sms/sms_network.h"

int
main(int argc, char **argv)
{
	return gateway_main(&sms_network, argc, argv);
}
