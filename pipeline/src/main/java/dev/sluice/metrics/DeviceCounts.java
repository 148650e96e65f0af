// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

/**
 * Where a device's buffers are, and what it has counted since it was opened.
 *
 * @param free owned by the driver, not armed
 * @param armed owned by the DMA engine
 * @param filled waiting to be acquired
 * @param lent owned by this process
 * @param quarantined released while something still referenced them (the driver only)
 * @param frames frames filled
 * @param bytes valid bytes in them
 * @param lostBytes bytes that came while no buffer was armed
 * @param lossKnown whether the engine tells what it lost; else {@code lostBytes} is the least it can be
 * @param starvedNanos how long the engine had no buffer to write to: it waited, or lost what came
 * @param quarantines releases of buffers that something still referenced (the driver only)
 * @param errors transfers that failed (the driver only)
 */
public record DeviceCounts(
        int free,
        int armed,
        int filled,
        int lent,
        int quarantined,
        long frames,
        long bytes,
        long lostBytes,
        boolean lossKnown,
        long starvedNanos,
        long quarantines,
        long errors) {

    /** Of a device that is not open yet. */
    static final DeviceCounts NONE = new DeviceCounts(0, 0, 0, 0, 0, 0, 0, 0, true, 0, 0, 0);
}
