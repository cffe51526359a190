/* core/shard/fiber_x86_64.S: the context switch for the System V ABI.
 *
 * What a stack that waits looks like, from its saved pointer upwards:
 *
 *      0  mxcsr, x87 control word
 *      8  r15 r14 r13 r12 rbx rbp
 *     56  where to go on
 *
 * A switch leaves by a jump, not by `ret`: the CPU predicts `ret` from the calls it has seen, and none of them led
 * here. `notrack` lets the jump land behind a call under indirect branch tracking. A shadow stack (SHSTK) would need a
 * switch of its own, so this object doesn't claim to work with one, and the linker then marks the program likewise. */
    .text

/* bool fiber_switch(void **save, void *to, bool ended): returns `ended` on the other stack. */
    .globl fiber_switch
    .hidden fiber_switch
    .type fiber_switch, @function
    .p2align 4
fiber_switch:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)

    /* Both stacks have the same shape here, so the unwinder needs no other word. */
    movq %rsi, %rsp
    movl %edx, %eax
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    notrack jmp *%rcx
    .cfi_endproc
    .size fiber_switch, . - fiber_switch

/* void *fiber_prepare(void *top, struct fiber *fiber): a stack that will go on at fiber_start, with the control words
 * that the ABI promises to a new thread. `top` is aligned to 16. */
    .globl fiber_prepare
    .hidden fiber_prepare
    .type fiber_prepare, @function
    .p2align 4
fiber_prepare:
    .cfi_startproc
    endbr64
    leaq fiber_start(%rip), %rax
    movq $0, -16(%rdi)      /* fiber_start's caller: the end for unwinders without .cfi_undefined */
    movq %rax, -24(%rdi)
    movq $0, -32(%rdi)      /* rbp: the end for those that follow frame pointers */
    movq %rsi, -40(%rdi)    /* rbx: what fiber_start hands on */
    movl $0x1f80, -80(%rdi)
    movl $0x037f, -76(%rdi)
    leaq -80(%rdi), %rax
    ret
    .cfi_endproc
    .size fiber_prepare, . - fiber_prepare

/* The outermost frame of every fiber. */
    .type fiber_start, @function
    .p2align 4
fiber_start:
    .cfi_startproc
    .cfi_undefined %rip     /* nobody called it: backtraces end here */
    endbr64
    movq %rbx, %rdi
    call fiber_main
    ud2                     /* fiber_main never returns */
    .cfi_endproc
    .size fiber_start, . - fiber_start

    .hidden fiber_main

#if defined(__CET__) && (__CET__ & 1)
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5          /* sizes of name and description; NT_GNU_PROPERTY_TYPE_0 */
    .string "GNU"
    .long 0xc0000002, 4     /* GNU_PROPERTY_X86_FEATURE_1_AND */
    .long 1, 0              /* IBT */
#endif
    .section .note.GNU-stack, "", @progbits
