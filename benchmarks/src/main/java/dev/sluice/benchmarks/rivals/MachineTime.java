// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Time that all processors together were not idle, for whomever: kernel threads do part of the work of sending. Counted by
 * the kernel in steps of 10 ms (man 5 proc, /proc/stat; USER_HZ is 100 on all machines that Java runs on).
 */
public final class MachineTime {

    private static final long NANOS_PER_JIFFY = TimeUnit.MILLISECONDS.toNanos(10);

    /** user, nice, system, irq, softirq. Not idle and iowait; nor steal, which is others' work. */
    private static final List<Integer> BUSY = List.of(1, 2, 3, 6, 7);

    private MachineTime() {}

    /** Since the machine was started, in ns. */
    public static long busyNanos() throws IOException {
        String[] fields = Files.readAllLines(Path.of("/proc/stat")).getFirst().split(" +");
        long jiffies =
                BUSY.stream().mapToLong(field -> Long.parseLong(fields[field])).sum();
        return jiffies * NANOS_PER_JIFFY;
    }
}
