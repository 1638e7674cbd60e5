#include "front.h"
const struct ks_verb ks_storage_verbs[] = {{0}};
struct ks_storage ks_front_storage(struct ks_front *f){ (void)f; return (struct ks_storage){0}; }
