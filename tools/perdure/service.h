/* tools/perdure/service.h: what a node tells the service manager that started it, if one did: sd_notify(3). */
#ifndef TOOLS_PERDURE_SERVICE_H
#define TOOLS_PERDURE_SERVICE_H

/** Sends a state such as "READY=1" to $NOTIFY_SOCKET; without one, or when nobody takes it, nothing happens. */
void service_tell(const char *state);

#endif
