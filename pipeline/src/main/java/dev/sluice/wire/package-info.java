// SPDX-License-Identifier: Apache-2.0
/**
 * What goes over TCP: nothing but the kept bytes ({@code framing = raw}), or a header before each frame ({@code framing =
 * sluice}). {@link dev.sluice.wire.Header} is the whole format; sender and receiver both use it.
 */
@NullMarked
package dev.sluice.wire;

import org.jspecify.annotations.NullMarked;
