/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exe link of this process is given to another mount of the same file,
 * without an exec. The kernel allows it when nothing of the old one is mapped
 * any more: so each read-only segment is mapped anew from the other mount, at
 * the same address, also the one that executes this; they are pages of the same
 * file. What is writable becomes anonymous memory with the same content.
 */
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <kshim/process.h>
#include <kshim/run.h>

#include "seal.h"

/* A mapping that is made here would be without arm64's guard of branch targets. */
#ifdef __ARM_FEATURE_BTI_DEFAULT
static const bool guards_branches = true;
#else
static const bool guards_branches = false;
#endif

#define SEGMENT_MAX 32

/* The program as it is mapped; @mask: of an address within a page. */
struct image {
	uintptr_t base, mask;
	size_t n;
	ElfW(Phdr) phdr[SEGMENT_MAX];
};

/* Called for the program first, then for its libraries. */
static int first_image(struct dl_phdr_info *info, size_t size, void *data)
{
	struct image *image = data;

	(void)size;
	if (info->dlpi_phnum <= SEGMENT_MAX) {
		image->base = info->dlpi_addr;
		image->n = info->dlpi_phnum;
		memcpy(image->phdr, info->dlpi_phdr, image->n * sizeof(image->phdr[0]));
	}
	return 1;
}

/* The exe link of a program that its loader was called with is the loader's. */
static bool is_file_of(const struct image *image, int fd)
{
	ElfW(Ehdr) e;
	ElfW(Phdr) phdr[SEGMENT_MAX];
	size_t len = image->n * sizeof(phdr[0]);

	return image->n && pread(fd, &e, sizeof(e), 0) == (ssize_t)sizeof(e) &&
	       e.e_phnum == image->n && e.e_phentsize == sizeof(phdr[0]) &&
	       pread(fd, phdr, len, (off_t)e.e_phoff) == (ssize_t)len &&
	       memcmp(phdr, image->phdr, len) == 0;
}

static int prot_of(uint32_t flags)
{
	return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
	       (flags & PF_X ? PROT_EXEC : 0);
}

/* Not memcpy(): what a sanitizer has put between two variables is copied too. */
__attribute__((no_sanitize("address", "undefined"))) static void
copy_words(uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		/* Else it is made a memcpy() again. */
		__asm__ volatile("" ::: "memory");
	}
}

/* Between the copy and the move nothing is stored in a variable of the program. */
static int copy_segment(void *at, size_t len)
{
	void *copy = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (copy == MAP_FAILED)
		return -errno;
	copy_words(copy, at, len / sizeof(uint64_t));
	if (mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) != MAP_FAILED)
		return 0;
	int r = -errno;

	munmap(copy, len);
	return r;
}

static int replace_segment(const struct image *image, const ElfW(Phdr) * p, int fd)
{
	uintptr_t start = (image->base + p->p_vaddr) & ~image->mask;
	uintptr_t end = (image->base + p->p_vaddr + p->p_filesz + image->mask) & ~image->mask;
	void *at = (void *)start; // NOLINT(performance-no-int-to-ptr)

	if (p->p_flags & PF_W)
		return copy_segment(at, end - start);
	if (mmap(at, end - start, prot_of(p->p_flags), MAP_PRIVATE | MAP_FIXED, fd,
		 (off_t)(p->p_offset & ~image->mask)) == MAP_FAILED)
		return -errno;
	return 0;
}

/* What was written once, when the program was loaded, is read-only again. */
static int protect(const struct image *image, const ElfW(Phdr) * p)
{
	uintptr_t start = (image->base + p->p_vaddr) & ~image->mask;
	uintptr_t end = (image->base + p->p_vaddr + p->p_memsz) & ~image->mask;

	// NOLINTNEXTLINE(performance-no-int-to-ptr)
	return end > start && mprotect((void *)start, end - start, PROT_READ) < 0 ? -errno : 0;
}

int ks_exe_replace(int fd)
{
	struct image image = { .mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1 };
	struct prctl_mm_map map;
	int r = guards_branches ? -EOPNOTSUPP : ks_process_layout(&map);

	if (r == 0 && (dl_iterate_phdr(first_image, &image) != 1 || !is_file_of(&image, fd)))
		r = -ENOEXEC;
	for (size_t i = 0; r == 0 && i < image.n; i++)
		if (image.phdr[i].p_type == PT_LOAD && image.phdr[i].p_filesz)
			r = replace_segment(&image, &image.phdr[i], fd);
	for (size_t i = 0; r == 0 && i < image.n; i++)
		if (image.phdr[i].p_type == PT_GNU_RELRO)
			r = protect(&image, &image.phdr[i]);
	if (r < 0)
		return r;
	map.exe_fd = (uint32_t)fd;
	return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0 ? -errno : 0;
}
