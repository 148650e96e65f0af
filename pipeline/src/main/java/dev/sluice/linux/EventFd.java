// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A counter that polls as readable while it is not zero (man 2 eventfd); any thread may signal or clear it. */
public final class EventFd implements AutoCloseable {

    private final Arena arena = Arena.ofShared();
    private final MemorySegment one = arena.allocateFrom(JAVA_LONG, 1);
    private final MemorySegment drain = arena.allocate(JAVA_LONG);
    private final int fd;

    public EventFd() throws LinuxException {
        fd = LinuxException.check(Libc.eventfd(0, Constants.EFD_NONBLOCK | Constants.EFD_CLOEXEC), "eventfd");
    }

    public int fd() {
        return fd;
    }

    /** Makes it readable. It cannot fail: the counter is cleared long before 2^64 - 2 signals. */
    public void signal() {
        Libc.write(fd, one, Long.BYTES);
    }

    /** Makes it unreadable until the next signal. */
    public void clear() {
        Libc.read(fd, drain, Long.BYTES);
    }

    @Override
    public void close() {
        Libc.close(fd);
        arena.close();
    }
}
