/* SPDX-License-Identifier: MIT */
#pragma once
/* What the parts of the model share. */
#include <linux/kernel.h>
#include <linux/seq_file.h>

#define DOMAINS 2

/* A class, or a monitoring group in one. */
struct group {
	struct group *class;	 /* of a monitoring group; NULL: it is a class itself */
	unsigned int n_monitors; /* of a class: its monitoring groups */
	bool gone;		 /* removed; an open file may still name it */
	unsigned long cbm[DOMAINS], mb[DOMAINS];
};

extern struct group root_group;
extern char status[256]; /* last_cmd_status */

#define SAY(...) snprintf(status, sizeof(status), __VA_ARGS__)

/* tasks.c: who is in which group. */
void tasks_start(void);
void tasks_move_all(struct group *from, struct group *to);
int tasks_show(struct seq_file *f, struct group *g);
int tasks_write(struct group *g, char *buf);
