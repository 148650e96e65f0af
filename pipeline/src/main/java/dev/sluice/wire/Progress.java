// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

/**
 * What a receiver has of a stream: the content of WELCOME and ACK.
 *
 * @param isNew nothing, and the stream may begin anywhere
 * @param finished its END, too
 * @param next the frame that is wanted next
 * @param receivedBytes payload in all frames that have come
 * @param lostBytes sum of the lost bytes that their headers announced
 */
public record Progress(boolean isNew, boolean finished, Place next, long receivedBytes, long lostBytes) {}
