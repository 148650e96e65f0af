// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

/** What a sink that takes no more does with the frames that come: users write it in lower case, {@code drop-newest}. */
public enum WhenFull {
    /** They wait in the device, and everything that shares their source waits with them. */
    BLOCK,
    /** The frame that came is dropped. */
    DROP_NEWEST,
    /** The frame that has waited longest is dropped. */
    DROP_OLDEST
}
