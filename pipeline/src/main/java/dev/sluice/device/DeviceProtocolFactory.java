// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.filter.Settings;
import java.io.IOException;

/**
 * Makes protocols of one kind, for sources of type {@code mapped}. Implementations have a public constructor without
 * arguments (ServiceLoader).
 */
public interface DeviceProtocolFactory {

    /** The word that selects it: {@code sources { name { type = mapped, protocol = word, … } } }. */
    String protocol();

    /** Reads the settings of its own that a node has, once, before anything runs; problems go to {@code settings}. */
    Opener configure(Settings settings);

    /** Makes the protocol when the device is open and its memory mapped. */
    @FunctionalInterface
    interface Opener {
        /** Sets the device up for this many buffers, which lie back to back in its memory. */
        DeviceProtocol open(DeviceFile device, int buffers, long bufferBytes) throws IOException;
    }
}
