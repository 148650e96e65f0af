// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

/** A first-in first-out queue of ints with a fixed capacity, which makes no objects. Not thread-safe. */
final class IntQueue {

    private final int[] ring;
    private int head;
    private int size;

    IntQueue(int capacity) {
        ring = new int[capacity];
    }

    boolean isEmpty() {
        return size == 0;
    }

    int size() {
        return size;
    }

    void addLast(int value) {
        ring[(head + size++) % ring.length] = value;
    }

    int peekFirst() {
        return ring[head];
    }

    int removeFirst() {
        int value = ring[head];
        head = (head + 1) % ring.length;
        size--;
        return value;
    }
}
