// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * An epoll instance (man 7 epoll). {@link #add}, {@link #modify} and {@link #remove} may be called while another
 * thread waits; {@link #await}, {@link #events} and {@link #data} belong to one thread.
 */
public final class Epoll implements AutoCloseable {

    private static final int MOST_EVENTS = 32;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment ready = EpollEvent.allocateArray(arena, MOST_EVENTS);
    private final MemorySegment change = EpollEvent.allocateArray(arena, 1);
    private final int fd;

    public Epoll() throws LinuxException {
        fd = LinuxException.check(Libc.epollCreate(Constants.EPOLL_CLOEXEC), "epoll_create1");
    }

    public void add(int watched, int events, long data) throws LinuxException {
        LinuxException.check(control(Constants.EPOLL_CTL_ADD, watched, events, data), "epoll_ctl(ADD)");
    }

    public void modify(int watched, int events, long data) throws LinuxException {
        LinuxException.check(control(Constants.EPOLL_CTL_MOD, watched, events, data), "epoll_ctl(MOD)");
    }

    public void remove(int watched) throws LinuxException {
        LinuxException.check(control(Constants.EPOLL_CTL_DEL, watched, 0, 0), "epoll_ctl(DEL)");
    }

    private synchronized int control(int operation, int watched, int events, long data) {
        EpollEvent.set(change, events, data);
        return Libc.epollCtl(fd, operation, watched, change);
    }

    /** Waits for events and returns how many; an interrupted wait is an empty one. */
    public int await(int timeoutMillis) throws LinuxException {
        int count = Libc.epollWait(fd, ready, MOST_EVENTS, timeoutMillis);
        return count == -Constants.EINTR ? 0 : LinuxException.check(count, "epoll_wait");
    }

    public int events(int index) {
        return EpollEvent.events(ready, index);
    }

    public long data(int index) {
        return EpollEvent.data(ready, index);
    }

    @Override
    public void close() {
        Libc.close(fd);
        arena.close();
    }
}
