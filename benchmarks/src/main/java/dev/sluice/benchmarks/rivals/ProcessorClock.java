// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.TimeUnit;

/**
 * Processor time of a whole process, in user space and in the kernel, to the nanosecond (man 3 clock_getcpuclockid). One
 * clock for every rival, whatever it is written in.
 */
public final class ProcessorClock {

    private static final Linker LINKER = Linker.nativeLinker();

    /** {@code int clock_getcpuclockid(pid_t, clockid_t *)}: an errno, or 0. */
    private static final MethodHandle CLOCK_OF =
            handle("clock_getcpuclockid", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));

    /** {@code int clock_gettime(clockid_t, struct timespec *)}; two 64-bit words on all machines that this runs on. */
    private static final MethodHandle TIME =
            handle("clock_gettime", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));

    private final int clock;

    private ProcessorClock(int clock) {
        this.clock = clock;
    }

    @SuppressWarnings("restricted")
    private static MethodHandle handle(String name, FunctionDescriptor of) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), of);
    }

    /** The clock of a process of the same user. */
    public static ProcessorClock of(long pid) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment clock = arena.allocate(JAVA_INT);
            int errno = call(CLOCK_OF, (int) pid, clock);
            if (errno != 0) {
                throw new IOException("process " + pid + " has no CPU clock: errno " + errno);
            }
            return new ProcessorClock(clock.get(JAVA_INT, 0));
        }
    }

    /** Time used so far, in ns. */
    public long nanos() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment time = arena.allocate(JAVA_LONG, 2);
            if (call(TIME, clock, time) != 0) {
                throw new IOException("a process that was to be measured is gone");
            }
            return TimeUnit.SECONDS.toNanos(time.getAtIndex(JAVA_LONG, 0)) + time.getAtIndex(JAVA_LONG, 1);
        }
    }

    private static int call(MethodHandle function, int argument, MemorySegment result) {
        try {
            return (int) function.invokeExact(argument, result);
        } catch (Throwable e) {
            throw new AssertionError(e); // a native call throws nothing
        }
    }
}
