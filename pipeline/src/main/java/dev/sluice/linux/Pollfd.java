// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct pollfd} of {@code <poll.h>}. */
final class Pollfd {

    private static final StructLayout LAYOUT = CType.struct(
            "pollfd", CType.INT.withName("fd"), CType.SHORT.withName("events"), CType.SHORT.withName("revents"));
    private static final long FD = CType.offset(LAYOUT, "fd");
    private static final long EVENTS = CType.offset(LAYOUT, "events");
    private static final long REVENTS = CType.offset(LAYOUT, "revents");

    private Pollfd() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    static MemorySegment allocate(Arena arena, int fd, int events) {
        MemorySegment pollfd = arena.allocate(LAYOUT);
        pollfd.set(JAVA_INT, FD, fd);
        pollfd.set(JAVA_SHORT, EVENTS, (short) events);
        return pollfd;
    }

    static int revents(MemorySegment pollfd) {
        return Short.toUnsignedInt(pollfd.get(JAVA_SHORT, REVENTS));
    }
}
