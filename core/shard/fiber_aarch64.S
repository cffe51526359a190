/* core/shard/fiber_aarch64.S: the context switch for AAPCS64.
 *
 * What a stack that waits looks like, from its saved pointer upwards:
 *
 *      0  x29 (frame pointer), x30 (where to go on)
 *     16  x19 to x28
 *     96  d8 to d15
 *    160  fpcr, padding
 *
 * x18 belongs to the platform. The return address is not signed: it never leaves this function's two instructions. A
 * switch leaves by `br`, not by `ret`: the CPU predicts `ret` from the calls it has seen, and none of them led here.
 * Under branch target identification only `ret` may land behind a call, so there it leaves by `ret` all the same. */
    .text

/* bool fiber_switch(void **save, void *to, bool ended): returns `ended` on the other stack. */
    .globl fiber_switch
    .hidden fiber_switch
    .type fiber_switch, %function
    .p2align 4
fiber_switch:
    .cfi_startproc
    hint 34                 /* bti c */
    sub sp, sp, 176
    .cfi_def_cfa_offset 176
    stp x29, x30, [sp, 0]
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    stp x19, x20, [sp, 16]
    .cfi_rel_offset x19, 16
    .cfi_rel_offset x20, 24
    stp x21, x22, [sp, 32]
    .cfi_rel_offset x21, 32
    .cfi_rel_offset x22, 40
    stp x23, x24, [sp, 48]
    .cfi_rel_offset x23, 48
    .cfi_rel_offset x24, 56
    stp x25, x26, [sp, 64]
    .cfi_rel_offset x25, 64
    .cfi_rel_offset x26, 72
    stp x27, x28, [sp, 80]
    .cfi_rel_offset x27, 80
    .cfi_rel_offset x28, 88
    stp d8, d9, [sp, 96]
    .cfi_rel_offset b8, 96
    .cfi_rel_offset b9, 104
    stp d10, d11, [sp, 112]
    .cfi_rel_offset b10, 112
    .cfi_rel_offset b11, 120
    stp d12, d13, [sp, 128]
    .cfi_rel_offset b12, 128
    .cfi_rel_offset b13, 136
    stp d14, d15, [sp, 144]
    .cfi_rel_offset b14, 144
    .cfi_rel_offset b15, 152
    mrs x9, fpcr
    str x9, [sp, 160]
    mov x10, sp
    str x10, [x0]

    /* Both stacks have the same shape here, so the unwinder needs no other word. */
    mov sp, x1
    mov w0, w2
    ldr x10, [sp, 160]
    cmp x9, x10
    b.eq 1f                 /* writing fpcr drains the pipeline, and it hardly ever differs */
    msr fpcr, x10
1:
    ldp d14, d15, [sp, 144]
    ldp d12, d13, [sp, 128]
    ldp d10, d11, [sp, 112]
    ldp d8, d9, [sp, 96]
    ldp x27, x28, [sp, 80]
    ldp x25, x26, [sp, 64]
    ldp x23, x24, [sp, 48]
    ldp x21, x22, [sp, 32]
    ldp x19, x20, [sp, 16]
    ldp x29, x30, [sp, 0]
    add sp, sp, 176
    .cfi_def_cfa_offset 0
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    .cfi_restore b8
    .cfi_restore b9
    .cfi_restore b10
    .cfi_restore b11
    .cfi_restore b12
    .cfi_restore b13
    .cfi_restore b14
    .cfi_restore b15
#if defined(__ARM_FEATURE_BTI_DEFAULT)
    ret
#else
    br x30
#endif
    .cfi_endproc
    .size fiber_switch, . - fiber_switch

/* void *fiber_prepare(void *top, struct fiber *fiber): a stack that will go on at fiber_start, with the control word
 * that the ABI promises to a new thread. `top` is aligned to 16. */
    .globl fiber_prepare
    .hidden fiber_prepare
    .type fiber_prepare, %function
    .p2align 4
fiber_prepare:
    .cfi_startproc
    hint 34                 /* bti c */
    sub x0, x0, 176
    adrp x9, fiber_start
    add x9, x9, :lo12:fiber_start
    stp xzr, x9, [x0, 0]    /* x29: the end for those that follow frame pointers */
    str x1, [x0, 16]        /* x19: what fiber_start hands on */
    str xzr, [x0, 160]
    ret
    .cfi_endproc
    .size fiber_prepare, . - fiber_prepare

/* The outermost frame of every fiber. */
    .type fiber_start, %function
    .p2align 4
fiber_start:
    .cfi_startproc
    .cfi_undefined x30      /* nobody called it: backtraces end here */
    mov x0, x19
    bl fiber_main
    brk 1                   /* fiber_main never returns */
    .cfi_endproc
    .size fiber_start, . - fiber_start

    .hidden fiber_main

#if defined(__ARM_FEATURE_BTI_DEFAULT)
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5          /* sizes of name and description; NT_GNU_PROPERTY_TYPE_0 */
    .string "GNU"
    .long 0xc0000000, 4     /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
    .long 1, 0              /* BTI */
#endif
    .section .note.GNU-stack, "", %progbits
