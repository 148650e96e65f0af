// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import java.util.function.Supplier;

/** What one pipeline counts. All are written by the stream's thread, but {@link #reconnects} (the sink's actor). */
public final class PipelineCounters {

    /** Frames acquired from the device. */
    public final Counter frames = new Counter();

    /** Valid bytes in them. */
    public final Counter acquired = new Counter();

    /** Bytes that the filters kept. */
    public final Counter kept = new Counter();

    /** Frames of which something was kept and which the kernel has taken whole. */
    public final Counter framesSent = new Counter();

    /** Frames that were begun again on a new connection. */
    public final Counter framesRepeated = new Counter();

    /** Bytes handed over that the receiver's TCP had not acknowledged when their connection broke. */
    public final Counter unconfirmed = new Counter();

    /** Connections made after the first. */
    public final Counter reconnects = new Counter();

    /** Buffers that the kernel would not let go of in time; they were not given back to the device. */
    public final Counter stuckBuffers = new Counter();

    /** How the sink's bytes left. */
    public final SendCounters send = new SendCounters();

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
