// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import java.util.function.Supplier;

/** What one source counts. Written by its stream's thread. */
public final class SourceCounters {

    /** Frames acquired from the device. */
    public final Counter frames = new Counter();

    /** Valid bytes in them. */
    public final Counter acquired = new Counter();

    /** Frames acquired that no sink was done with when the run ended; they were given back. */
    public final Counter framesGivenBack = new Counter();

    /** Times that it was opened again, since its device had failed. */
    public final Counter restarts = new Counter();

    /** Buffers that the kernel would not let go of in time; they were not given back to the device. */
    public final Counter stuckBuffers = new Counter();

    /** Time from acquiring a buffer to giving it back. */
    public final HoldTimes holdTimes = new HoldTimes();

    private volatile Supplier<DeviceCounts> device = () -> DeviceCounts.NONE;

    /** What the device counts, now; after it was closed, what it counted last. */
    public DeviceCounts device() {
        return device.get();
    }

    public void device(Supplier<DeviceCounts> counts) {
        device = counts;
    }
}
