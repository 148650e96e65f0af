// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

/**
 * Where a frame begins in its stream.
 *
 * @param sequence of the frame at its source
 * @param position of its first byte in all the source produced, lost bytes included
 */
public record Place(long sequence, long position) {
    /** Where every stream begins. */
    public static final Place START = new Place(0, 0);
}
