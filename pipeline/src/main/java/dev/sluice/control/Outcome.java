// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.metrics.Summary;
import org.jspecify.annotations.Nullable;

/**
 * How a pipeline ended.
 *
 * @param failure why it did not end well, or null if all that was acquired was sent, reaped and acknowledged
 */
public record Outcome(Summary summary, @Nullable Throwable failure) {

    /** Whether the device could be opened at all; else there is nothing to sum up. */
    public boolean started() {
        return !summary.elapsed().isZero();
    }

    /** Exit status of the process. */
    public int exitCode() {
        return failure == null && summary.ofSources(Summary.SourceSummary::stuckBuffers) == 0 ? 0 : 1;
    }
}
