// SPDX-License-Identifier: Apache-2.0
/**
 * The C library as Java methods: the only package that makes native calls (JEP 454, FFM).
 *
 * <p>Every call that can fail returns what the system call would have returned in the kernel: the result, or the
 * negated errno. Callers that expect an error (EAGAIN, ENOBUFS) compare; callers that do not pass the result to
 * {@link dev.sluice.linux.LinuxException#check}. No exception is made on a hot path.
 *
 * <p>Struct layouts are built from {@code Linker.canonicalLayouts()}, so that {@code long}, {@code size_t} and pointers
 * have the width of the platform. One class per struct, members named as in C; a test compiles the structs and
 * constants with the C compiler and compares.
 *
 * <p>Threading: all methods may be called from any thread; errno is captured into one segment per thread.
 * Entry points: {@link dev.sluice.linux.Libc} and the small owners of file descriptors
 * ({@link dev.sluice.linux.TcpSocket}, {@link dev.sluice.linux.Epoll}, {@link dev.sluice.linux.EventFd},
 * {@link dev.sluice.linux.SharedMemory}).
 */
@NullMarked
package dev.sluice.linux;

import org.jspecify.annotations.NullMarked;
