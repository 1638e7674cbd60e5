/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions of a program are executed while a command and all that it starts run: a
 * breakpoint at the start of each, taken away when it is hit. For x86-64, and for a program with a
 * symbol table. Writes a line "ADDRESS COMMAND-NAME" for each hit, the address as nm(1) shows it.
 *	touched OUT PROGRAM COMMAND…
 */
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PID 4194304
#define INT3	0xcc

/* kshim takes its own text's place (oci/run/seal-exe.c), and no breakpoint survives that. It must
 * hear that it cannot, and executes itself again. */
#define FAILS "ks_exe_replace"

static const unsigned char *image;
static struct stat program;
static Elf64_Addr *functions; /* sorted */
static size_t n_functions;
static Elf64_Addr fails;
static Elf64_Addr base[MAX_PID]; /* where each process has the program */
static FILE *out;

static int by_address(const void *a, const void *b)
{
	Elf64_Addr x = *(const Elf64_Addr *)a, y = *(const Elf64_Addr *)b;

	return (x > y) - (x < y);
}

static void read_symbols(const Elf64_Shdr *sections, const Elf64_Shdr *table)
{
	const Elf64_Sym *sym = (const void *)(image + table->sh_offset);
	const char *names = (const char *)image + sections[table->sh_link].sh_offset;
	size_t n = table->sh_size / sizeof(*sym);

	functions = calloc(n, sizeof(*functions));
	if (!functions)
		err(1, "calloc");
	for (size_t i = 0; i < n; i++) {
		int type = ELF64_ST_TYPE(sym[i].st_info);

		if ((type != STT_FUNC && type != STT_GNU_IFUNC) || !sym[i].st_value)
			continue;
		functions[n_functions++] = sym[i].st_value;
		if (strcmp(names + sym[i].st_name, FAILS) == 0)
			fails = sym[i].st_value;
	}
	qsort(functions, n_functions, sizeof(*functions), by_address);
}

static void open_program(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &program) < 0)
		err(1, "%s", path);
	image = mmap(NULL, (size_t)program.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		err(1, "mmap %s", path);
	const Elf64_Ehdr *e = (const void *)image;
	const Elf64_Shdr *s = (const void *)(image + e->e_shoff);

	for (int i = 0; i < e->e_shnum; i++)
		if (s[i].sh_type == SHT_SYMTAB)
			read_symbols(s, &s[i]);
	if (!n_functions || !fails)
		errx(1, "%s has no symbols, or no %s", path, FAILS);
}

static bool executes_program(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return stat(path, &st) == 0 && st.st_dev == program.st_dev && st.st_ino == program.st_ino;
}

static int open_proc(pid_t pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return open(path, flags | O_CLOEXEC);
}

/* By where its program headers are. */
static Elf64_Addr base_of(pid_t pid)
{
	Elf64_Addr pair[2], r = 0;
	int fd = open_proc(pid, "auxv", O_RDONLY);

	while (read(fd, pair, sizeof(pair)) == sizeof(pair))
		if (pair[0] == 3 /* AT_PHDR */)
			r = pair[1] - ((const Elf64_Ehdr *)image)->e_phoff;
	close(fd);
	return r;
}

/* A process that was killed meanwhile has no memory any more. */
static void poke(int mem, Elf64_Addr at, unsigned char byte)
{
	if (pwrite(mem, &byte, 1, (off_t)at) < 0 && errno != EIO && errno != ESRCH &&
	    errno != EBADF)
		err(1, "write to a traced process");
}

static void plant(pid_t pid)
{
	base[pid] = 0;
	if (!executes_program(pid))
		return;
	int mem = open_proc(pid, "mem", O_RDWR);

	base[pid] = base_of(pid);
	for (size_t i = 0; i < n_functions; i++)
		poke(mem, base[pid] + functions[i], INT3);
	close(mem);
}

static unsigned char original(Elf64_Addr a)
{
	const Elf64_Ehdr *e = (const void *)image;
	const Elf64_Phdr *p = (const void *)(image + e->e_phoff);

	for (int i = 0; i < e->e_phnum; i++)
		if (p[i].p_type == PT_LOAD && a >= p[i].p_vaddr && a - p[i].p_vaddr < p[i].p_filesz)
			return image[p[i].p_offset + a - p[i].p_vaddr];
	errx(1, "%#lx is in no segment", a);
}

static void note(pid_t pid, Elf64_Addr function)
{
	char name[32] = "?";
	int fd = open_proc(pid, "comm", O_RDONLY);
	ssize_t n = read(fd, name, sizeof(name) - 1);

	close(fd);
	name[n > 0 ? n - 1 : 1] = '\0';
	fprintf(out, "%lx %s\n", function, name);
}

/* Whether it was one of our breakpoints. */
static bool hit(pid_t pid)
{
	struct user_regs_struct r;

	/* A child may be heard of before its parent's fork is. */
	if (!base[pid] && executes_program(pid))
		base[pid] = base_of(pid);
	if (!base[pid] || ptrace(PTRACE_GETREGS, pid, 0, &r) < 0)
		return false;
	Elf64_Addr f = r.rip - 1 - base[pid];

	if (!bsearch(&f, functions, n_functions, sizeof(f), by_address))
		return false;
	if (f == fails) {
		note(pid, f);
		/* The call returns at once, with -1. */
		r.rip = (unsigned long long)ptrace(PTRACE_PEEKDATA, pid, r.rsp, 0);
		r.rsp += 8;
		r.rax = -1ULL;
	} else {
		int mem = open_proc(pid, "mem", O_RDWR);

		note(pid, f);
		poke(mem, base[pid] + f, original(f));
		close(mem);
		r.rip--;
	}
	return ptrace(PTRACE_SETREGS, pid, 0, &r) == 0;
}

/* The signal that the process is to get. */
static int stopped(pid_t pid, int status)
{
	int sig = WSTOPSIG(status);
	unsigned long child = 0;

	switch (status >> 16) {
	case PTRACE_EVENT_EXEC:
		plant(pid);
		return 0;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		/* A child's copy of the memory has the same breakpoints. */
		if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &child) == 0 && child < MAX_PID)
			base[child] = base[pid];
		return 0;
	case 0:
		return sig == SIGSTOP || (sig == SIGTRAP && hit(pid)) ? 0 : sig;
	default:
		return 0;
	}
}

int main(int argc, char *argv[])
{
	pid_t first;
	int status, code = 1;

	if (argc < 4)
		errx(2, "usage: touched OUT PROGRAM COMMAND…");
	open_program(argv[2]);
	out = fopen(argv[1], "we");
	first = out ? fork() : -1;
	if (first < 0)
		err(1, "%s", argv[1]);
	if (first == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[3], argv + 3);
		err(127, "%s", argv[3]);
	}
	waitpid(first, &status, 0);
	ptrace(PTRACE_SETOPTIONS, first, 0,
	       PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
		       PTRACE_O_EXITKILL);
	ptrace(PTRACE_CONT, first, 0, 0);
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno != EINTR)
			break;
		if (pid > 0 && WIFSTOPPED(status))
			ptrace(PTRACE_CONT, pid, 0, stopped(pid, status));
		else if (pid > 0)
			base[pid] = 0;
		if (pid == first && !WIFSTOPPED(status))
			code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	fclose(out);
	return code;
}
